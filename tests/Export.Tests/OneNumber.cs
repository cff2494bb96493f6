using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>Weights of which one, number 11 of "h.1.mlp.c_fc.weight", is as a test wants it.</summary>
internal sealed class OneNumber(GptConfig config, float number) : IGptWeights
{
    private readonly FormulaWeights _weights = new(config);

    public GptConfig Config => config;

    public void Read(string name, Span<float> destination)
    {
        _weights.Read(name, destination);
        if (name == "h.1.mlp.c_fc.weight") destination[11] = number;
    }
}

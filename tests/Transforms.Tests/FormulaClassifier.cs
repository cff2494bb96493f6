using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>The formula's weights with a task head.</summary>
internal sealed class FormulaClassifier(GptConfig config, ClassifierHead head, float phase = 0) : IClassifierWeights
{
    private readonly FormulaWeights _network = new(config);

    public GptConfig Config => config;

    public ClassifierHead Head => head;

    public void Read(string name, Span<float> destination)
    {
        int k = ClassifierParameterLayout.Of(config, head).ToList().FindIndex(info => info.Name == name);
        if (k < 0)
        {
            _network.Read(name, destination);
            return;
        }

        for (int i = 0; i < destination.Length; i++) destination[i] = MathF.Sin((0.7f * i) + k + phase);
    }
}

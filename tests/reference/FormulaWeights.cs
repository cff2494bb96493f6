namespace MLNet.Gpt.Tests.Reference;

/// <summary>Weights by the formula of gpt_reference.py, exact in float32: 24 bits of a hash of the element's index and the tensor's.</summary>
internal sealed class FormulaWeights(GptConfig config) : IGptWeights
{
    private readonly GptParameterInfo[] layout = [.. GptParameterLayout.Of(config)];

    public GptConfig Config => config;

    /// <summary>How often each parameter was read.</summary>
    public Dictionary<string, int> Reads { get; } = [];

    public void Read(string name, Span<float> destination)
    {
        int k = Array.FindIndex(layout, parameter => parameter.Name == name);
        if (k < 0) throw new ArgumentException($"There is no '{name}'.", nameof(name));
        if (destination.Length != layout[k].ElementCount) throw new ArgumentException($"'{name}' has {layout[k].ElementCount} elements.", nameof(destination));
        Reads[name] = Reads.GetValueOrDefault(name) + 1;
        float offset = name.Contains("ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal) ? 1f : 0f;
        for (int i = 0; i < destination.Length; i++)
        {
            uint x = unchecked(((uint)(i + 1) * 0x9E3779B1u) + ((uint)k * 0x85EBCA77u));
            x ^= x >> 15;
            x = unchecked(x * 0x2C1B3C6Du);
            x ^= x >> 12;
            x = unchecked(x * 0x297A2D39u);
            x ^= x >> 15;
            destination[i] = offset + ((((x >> 8) / (float)(1 << 24)) - 0.5f) * 0.6f);
        }
    }
}

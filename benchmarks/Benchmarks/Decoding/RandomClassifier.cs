namespace MLNet.Gpt.Benchmarks;

/// <summary>Random weights with a task head.</summary>
internal sealed class RandomClassifier(GptConfig config, ClassifierHead head) : IClassifierWeights
{
    private readonly RandomWeights _network = new(config);

    public GptConfig Config => config;

    public ClassifierHead Head => head;

    public void Read(string name, Span<float> destination)
    {
        if (!ClassifierParameterLayout.Of(config, head).Any(parameter => parameter.Name == name))
        {
            _network.Read(name, destination);
            return;
        }

        for (int i = 0; i < destination.Length; i++) destination[i] = 0.02f * MathF.Sin(i);
    }
}

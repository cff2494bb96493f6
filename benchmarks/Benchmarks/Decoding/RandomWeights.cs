namespace MLNet.Gpt.Benchmarks;

/// <summary>Random weights of a shape, as training begins with: what is measured does not depend on what a model has learned.</summary>
internal sealed class RandomWeights(GptConfig config) : IGptWeights
{
    public GptConfig Config => config;

    public void Read(string name, Span<float> destination)
    {
        GptParameterRole role = GptParameterLayout.Of(config).Single(parameter => parameter.Name == name).Role;
        if (role is GptParameterRole.LayerNormGain)
        {
            destination.Fill(1);
            return;
        }

        if (role is GptParameterRole.LayerNormBias or GptParameterRole.ProjectionBias)
        {
            destination.Clear();
            return;
        }

        // Sums of four uniform numbers: near enough to a normal distribution, and quick.
        var random = new Random(name.Aggregate(17, static (hash, letter) => unchecked((hash * 31) + letter)));
        for (int i = 0; i < destination.Length; i++)
            destination[i] = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() + random.NextDouble() - 2) * 0.02 * Math.Sqrt(3));
    }
}

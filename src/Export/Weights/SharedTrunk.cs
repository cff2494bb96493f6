using System.Globalization;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>Checks that heads were trained over the weights that a package will hold.</summary>
internal static class SharedTrunk
{
    /// <summary>Compares the trunk of each head with the package's, bit for bit.</summary>
    /// <param name="trunk">The package's weights; read once for each head that has weights of another model.</param>
    /// <param name="heads">The heads.</param>
    /// <exception cref="TrunkMismatchException">A tensor or the network's shape differs.</exception>
    public static void Require(IGptWeights trunk, IReadOnlyList<OnnxHead> heads)
    {
        foreach (OnnxHead head in heads)
        {
            if (head.Weights is not { } weights || ReferenceEquals(weights, trunk)) continue;
            if (Computed(weights.Config) != Computed(trunk.Config)) throw new TrunkMismatchException(head.Name, tensorName: null, Computed(trunk.Config).ToString(), Computed(weights.Config).ToString());
            IReadOnlyList<GptParameterInfo> layout = GptParameterLayout.Of(trunk.Config);
            WeightReader ours = new(trunk, layout), theirs = new(weights, layout);
            foreach (GptParameterInfo parameter in layout)
            {
                ReadOnlySpan<float> expected = ours.Read(parameter).Span, found = theirs.Read(parameter).Span;
                int at = MemoryMarshal.Cast<float, uint>(expected).CommonPrefixLength(MemoryMarshal.Cast<float, uint>(found));
                if (at < expected.Length) throw new TrunkMismatchException(head.Name, parameter.Name, Text(expected[at], at), Text(found[at], at));
            }
        }
    }

    // Dropout and the first weights' deviation are remarks on how a model was trained.
    private static GptConfig Computed(GptConfig config) => config with { EmbeddingDropout = 0, AttentionDropout = 0, ResidualDropout = 0, InitializerRange = 1, FeedForwardSize = config.InnerSize };

    private static string Text(float value, int at) => string.Create(CultureInfo.InvariantCulture, $"{value:R} at element {at}");
}

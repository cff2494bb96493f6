using System.Numerics.Tensors;
using Microsoft.Extensions.VectorData;

namespace MLNet.Gpt;

/// <summary>A distance function of Microsoft.Extensions.VectorData: its score, and a nearness by which the larger is the nearer.</summary>
internal sealed class VectorSimilarity
{
    private readonly bool _nearIsSmall;

    private VectorSimilarity(string name, bool nearIsSmall, Func<ReadOnlySpan<float>, ReadOnlySpan<float>, float> score) => (Name, _nearIsSmall, ScoreOf) = (name, nearIsSmall, new Scoring(score));

    public delegate float Scoring(ReadOnlySpan<float> a, ReadOnlySpan<float> b);

    public string Name { get; }

    /// <summary>The score as the function defines it.</summary>
    public Scoring ScoreOf { get; }

    /// <summary>The score of a nearness.</summary>
    public double ToScore(float nearness) => _nearIsSmall ? -nearness : nearness;

    /// <summary>Whether a score is at least as near as a threshold.</summary>
    public bool Reaches(double score, double threshold) => _nearIsSmall ? score <= threshold : score >= threshold;

    public float Nearness(ReadOnlySpan<float> a, ReadOnlySpan<float> b) => _nearIsSmall ? -ScoreOf(a, b) : ScoreOf(a, b);

    /// <summary>The function of a name; null is cosine similarity.</summary>
    /// <exception cref="UnsupportedOptionException">It is none of those that this library has.</exception>
    public static VectorSimilarity Of(string? name) => name switch
    {
        null or DistanceFunction.CosineSimilarity => new(DistanceFunction.CosineSimilarity, false, Cosine),
        DistanceFunction.CosineDistance => new(name, true, static (a, b) => 1 - Cosine(a, b)),
        DistanceFunction.DotProductSimilarity => new(name, false, static (a, b) => TensorPrimitives.Dot(a, b)),
        DistanceFunction.NegativeDotProductSimilarity => new(name, true, static (a, b) => -TensorPrimitives.Dot(a, b)),
        DistanceFunction.EuclideanDistance => new(name, true, static (a, b) => TensorPrimitives.Distance(a, b)),
        DistanceFunction.EuclideanSquaredDistance => new(name, true, static (a, b) => TensorPrimitives.Distance(a, b) is var d ? d * d : 0),
        _ => throw new UnsupportedOptionException(nameof(DistanceFunction), name, "Choose cosine, dot product or Euclidean."),
    };

    // The zero vector is as near as chance to everything.
    private static float Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        float cosine = TensorPrimitives.CosineSimilarity(a, b);
        return float.IsNaN(cosine) ? 0 : cosine;
    }
}

namespace MLNet.Gpt;

/// <summary>How likely a model finds a sequence.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record SequenceScore
{
    /// <summary>Creates a score.</summary>
    /// <param name="tokenLogProbabilities">ln p of each token given those before it; not copied.</param>
    /// <param name="isGreedy">Whether each token is the likeliest at its place.</param>
    public SequenceScore(IReadOnlyList<float> tokenLogProbabilities, bool isGreedy = false)
    {
        ArgumentNullException.ThrowIfNull(tokenLogProbabilities);
        TokenLogProbabilities = tokenLogProbabilities;
        IsGreedy = isGreedy;
        double sum = 0;
        for (int i = 0; i < tokenLogProbabilities.Count; i++)
            sum += tokenLogProbabilities[i];
        LogLikelihood = sum;
    }

    /// <summary>ln p of each token given those before it, in nats; the first is conditioned on the end-of-text token.</summary>
    public IReadOnlyList<float> TokenLogProbabilities { get; }

    /// <summary>Whether each token is the likeliest at its place (of equal ones the one with the lowest id), so that greedy decoding writes this very sequence. True for an empty one that the model scored.</summary>
    public bool IsGreedy { get; }

    /// <summary>n: the tokens.</summary>
    public int TokenCount => TokenLogProbabilities.Count;

    /// <summary>The sum of the log-probabilities, in nats; 0 for an empty sequence.</summary>
    public double LogLikelihood { get; }

    /// <summary>exp(-<see cref="LogLikelihood"/> / n): 1 is certainty, V is a uniform guess; NaN for an empty sequence, which has none.</summary>
    public double Perplexity => Math.Exp(-LogLikelihood / TokenCount);
}

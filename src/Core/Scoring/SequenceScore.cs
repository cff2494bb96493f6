namespace MLNet.Gpt;

/// <summary>How likely a model finds a sequence.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record SequenceScore
{
    /// <summary>Creates a score.</summary>
    /// <param name="tokenLogProbabilities">ln p of each token given those before it; not copied.</param>
    public SequenceScore(IReadOnlyList<float> tokenLogProbabilities)
    {
        ArgumentNullException.ThrowIfNull(tokenLogProbabilities);
        TokenLogProbabilities = tokenLogProbabilities;
        double sum = 0;
        for (int i = 0; i < tokenLogProbabilities.Count; i++)
            sum += tokenLogProbabilities[i];
        LogLikelihood = sum;
    }

    /// <summary>ln p of each token given those before it, in nats; the first is conditioned on the end-of-text token.</summary>
    public IReadOnlyList<float> TokenLogProbabilities { get; }

    /// <summary>n: the tokens.</summary>
    public int TokenCount => TokenLogProbabilities.Count;

    /// <summary>The sum of the log-probabilities, in nats; 0 for an empty sequence.</summary>
    public double LogLikelihood { get; }

    /// <summary>exp(-<see cref="LogLikelihood"/> / n): 1 is certainty, V is a uniform guess; NaN for an empty sequence, which has none.</summary>
    public double Perplexity => Math.Exp(-LogLikelihood / TokenCount);
}

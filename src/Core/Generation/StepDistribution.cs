namespace MLNet.Gpt;

/// <summary>The model's own distribution at one step, kept until it is known which token is taken.</summary>
internal sealed class StepDistribution
{
    private readonly float[] _logits;
    private readonly double _normalizer;
    private readonly KeyValuePair<int, float>[] _alternatives;

    /// <summary>Keeps a step's logits.</summary>
    /// <param name="logits">V logits.</param>
    /// <param name="normalizer">log Σ exp of them.</param>
    /// <param name="alternatives">How many of the likeliest tokens are told.</param>
    public StepDistribution(ReadOnlySpan<float> logits, double normalizer, int alternatives)
    {
        _logits = logits.ToArray();
        _normalizer = normalizer;
        _alternatives = [.. LogitsProcessing.Largest(logits, alternatives).Select(item => KeyValuePair.Create(item.Key, (float)(item.Value - normalizer)))];
    }

    /// <summary>What it says of a token.</summary>
    public TokenLogProbability Of(int token) => new(token, (float)(_logits[token] - _normalizer), _alternatives);
}

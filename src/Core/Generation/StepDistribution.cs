using System.Buffers;

namespace MLNet.Gpt;

/// <summary>The model's own distribution at one step, kept until it is known which token is taken. Its numbers, one for each token of the vocabulary, are lent: a new array for every token would be a large object each time.</summary>
internal sealed class StepDistribution : IDisposable
{
    private float[] _logits;
    private readonly double _normalizer;
    private readonly KeyValuePair<int, float>[] _alternatives;

    /// <summary>Keeps a step's logits.</summary>
    /// <param name="logits">V logits.</param>
    /// <param name="normalizer">log Σ exp of them.</param>
    /// <param name="alternatives">How many of the likeliest tokens are told.</param>
    public StepDistribution(ReadOnlySpan<float> logits, double normalizer, int alternatives)
    {
        _logits = ArrayPool<float>.Shared.Rent(logits.Length);
        logits.CopyTo(_logits);
        _normalizer = normalizer;
        _alternatives = [.. LogitsProcessing.Largest(logits, alternatives).Select(item => KeyValuePair.Create(item.Key, (float)(item.Value - normalizer)))];
    }

    /// <summary>What it says of a token.</summary>
    public TokenLogProbability Of(int token) => new(token, (float)(_logits[token] - _normalizer), _alternatives);

    /// <summary>Gives the numbers back. What was told stays.</summary>
    public void Dispose()
    {
        if (_logits.Length > 0) ArrayPool<float>.Shared.Return(_logits);
        _logits = [];
    }
}

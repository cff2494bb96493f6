namespace MLNet.Gpt;

/// <summary>How likely a model finds the texts of a corpus, all tokens together.</summary>
/// <remarks>
/// Immutable; may be shared between threads. Sums run over the corpus before anything is divided: a text counts by its length, and the mean of the texts' own perplexities, which is another
/// number, is not formed. Names and rules are those of EleutherAI's lm-evaluation-harness.
/// </remarks>
public sealed record CorpusScore
{
    /// <summary>Sums up texts.</summary>
    /// <param name="texts">The texts; not copied.</param>
    public CorpusScore(IReadOnlyList<TextLikelihood> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Texts = texts;
        foreach (TextLikelihood text in texts)
        {
            LogLikelihood += text.LogLikelihood;
            TokenCount += text.TokenCount;
            ByteCount += text.ByteCount;
            WordCount += text.WordCount;
        }
    }

    /// <summary>The texts, empty ones included, in the order of the rows.</summary>
    public IReadOnlyList<TextLikelihood> Texts { get; }

    /// <summary>The sum of ln p over all tokens, in nats.</summary>
    public double LogLikelihood { get; }

    /// <summary>The texts, empty ones included.</summary>
    public long TextCount => Texts.Count;

    /// <summary>The tokens.</summary>
    public long TokenCount { get; }

    /// <summary>The UTF-8 bytes of the texts.</summary>
    public long ByteCount { get; }

    /// <summary>The words, see <see cref="TextLikelihood.WordCount"/>.</summary>
    public long WordCount { get; }

    /// <summary>The cross-entropy in nats per token; NaN without tokens.</summary>
    public double Loss => -LogLikelihood / TokenCount;

    /// <summary>exp(<see cref="Loss"/>): per token, and so only comparable between models of one tokenizer; NaN without tokens.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>word_perplexity: exp of the nats per word; comparable between tokenizers. NaN without texts.</summary>
    public double WordPerplexity => Math.Exp(-LogLikelihood / WordCount);

    /// <summary>byte_perplexity: exp of the nats per UTF-8 byte; comparable between tokenizers. NaN without bytes.</summary>
    public double BytePerplexity => Math.Exp(-LogLikelihood / ByteCount);

    /// <summary>bits_per_byte: the cross-entropy in bits per UTF-8 byte, the binary logarithm of <see cref="BytePerplexity"/>; comparable between tokenizers. NaN without bytes.</summary>
    public double BitsPerByte => -LogLikelihood / Math.Log(2) / ByteCount;

    /// <summary>
    /// The standard errors of the measures by the bootstrap: texts are drawn with replacement, as many as there are, and the sample's standard deviation (n - 1) of a measure over all draws is its
    /// error.
    /// </summary>
    /// <param name="resamples">How many times texts are drawn: 2 or more.</param>
    /// <param name="seed">The seed of the draws; the same one gives the same errors on every machine.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="resamples"/> is below 2.</exception>
    public CorpusErrors StandardErrors(int resamples = 1_000, int seed = 0, CancellationToken cancellationToken = default)
    {
        double[] errors = Bootstrap.StandardErrors(Texts.Count, resamples, seed, 5, (draws, measures) =>
        {
            double likelihood = 0;
            long tokens = 0, bytes = 0, words = 0;
            foreach (int i in draws)
            {
                TextLikelihood text = Texts[i];
                likelihood -= text.LogLikelihood;
                (tokens, bytes, words) = (tokens + text.TokenCount, bytes + text.ByteCount, words + text.WordCount);
            }

            measures[0] = likelihood / tokens;
            measures[1] = Math.Exp(likelihood / tokens);
            measures[2] = Math.Exp(likelihood / words);
            measures[3] = Math.Exp(likelihood / bytes);
            measures[4] = likelihood / Math.Log(2) / bytes;
        }, cancellationToken);
        return new(errors[0], errors[1], errors[2], errors[3], errors[4]);
    }

    /// <summary>A table of the numbers, for people.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"""
        texts            {TextCount,14:N0}
        words            {WordCount,14:N0}
        bytes            {ByteCount,14:N0}
        tokens           {TokenCount,14:N0}
        nats per token   {Loss,14:F4}
        perplexity       {Perplexity,14:F4}
        word perplexity  {WordPerplexity,14:F4}
        byte perplexity  {BytePerplexity,14:F4}
        bits per byte    {BitsPerByte,14:F4}
        """);
}

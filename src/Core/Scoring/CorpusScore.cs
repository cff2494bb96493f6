namespace MLNet.Gpt;

/// <summary>How likely a model finds the texts of a corpus, all tokens together.</summary>
/// <remarks>
/// Immutable; may be shared between threads. Sums run over the corpus before anything is divided: a text counts by its length, and the mean of the texts' own perplexities, which is another
/// number, is not formed.
/// </remarks>
/// <param name="LogLikelihood">The sum of ln p over all tokens, in nats.</param>
/// <param name="TextCount">The texts, empty ones included.</param>
/// <param name="TokenCount">The tokens.</param>
/// <param name="ByteCount">The UTF-8 bytes of the texts.</param>
public sealed record CorpusScore(double LogLikelihood, long TextCount, long TokenCount, long ByteCount)
{
    /// <summary>The cross-entropy in nats per token; NaN without tokens.</summary>
    public double Loss => -LogLikelihood / TokenCount;

    /// <summary>exp(<see cref="Loss"/>): per token, and so only comparable between models of one tokenizer; NaN without tokens.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>The cross-entropy in bits per UTF-8 byte: comparable between tokenizers; NaN without bytes.</summary>
    public double BitsPerByte => -LogLikelihood / Math.Log(2) / ByteCount;

    /// <summary>A table of the numbers, for people.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"""
        texts           {TextCount,14:N0}
        tokens          {TokenCount,14:N0}
        bytes           {ByteCount,14:N0}
        nats per token  {Loss,14:F4}
        perplexity      {Perplexity,14:F4}
        bits per byte   {BitsPerByte,14:F4}
        """);
}

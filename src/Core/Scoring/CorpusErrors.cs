namespace MLNet.Gpt;

/// <summary>The standard errors of a <see cref="CorpusScore"/>'s measures. NaN for fewer than two texts, or where a measure is not defined.</summary>
/// <param name="Loss">Of <see cref="CorpusScore.Loss"/>.</param>
/// <param name="Perplexity">Of <see cref="CorpusScore.Perplexity"/>.</param>
/// <param name="WordPerplexity">Of <see cref="CorpusScore.WordPerplexity"/>.</param>
/// <param name="BytePerplexity">Of <see cref="CorpusScore.BytePerplexity"/>.</param>
/// <param name="BitsPerByte">Of <see cref="CorpusScore.BitsPerByte"/>.</param>
public sealed record CorpusErrors(double Loss, double Perplexity, double WordPerplexity, double BytePerplexity, double BitsPerByte);

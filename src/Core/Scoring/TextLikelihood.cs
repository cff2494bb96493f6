namespace MLNet.Gpt;

/// <summary>How likely a model finds a text, and how long it is, in three units.</summary>
/// <param name="LogLikelihood">The sum of ln p over its tokens, in nats.</param>
/// <param name="TokenCount">Its tokens.</param>
/// <param name="ByteCount">Its UTF-8 bytes.</param>
/// <param name="WordCount">The pieces between its runs of white space, as lm-evaluation-harness counts them: white space at an end makes an empty piece there, and an empty text is one.</param>
public readonly record struct TextLikelihood(double LogLikelihood, int TokenCount, int ByteCount, int WordCount);

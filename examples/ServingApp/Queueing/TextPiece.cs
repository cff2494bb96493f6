using MLNet.Gpt;

namespace ServingApp.Queueing;

/// <summary>A piece of one of a request's answers; the last one of each says why it ended.</summary>
/// <param name="Choice">The answer, from 0.</param>
/// <param name="Text">The text.</param>
/// <param name="LogProbabilities">What the model thought of the tokens that begin in it; empty unless the request asks for it.</param>
/// <param name="FinishReason">Null before the last piece.</param>
internal readonly record struct TextPiece(int Choice, string Text, IReadOnlyList<TokenLogProbability> LogProbabilities, FinishReason? FinishReason);

namespace MLNet.Gpt;

/// <summary>What the model thought of a token that was generated.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProbability">ln p of it by the model's own distribution, before the constraint, the penalties and the temperature.</param>
/// <param name="Alternatives">
/// The likeliest tokens of that distribution with their log-probabilities, the likeliest first, as many as <see cref="GenerationOptions.TopLogProbabilities"/>; the token itself may be one
/// of them.
/// </param>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record TokenLogProbability(int TokenId, float LogProbability, IReadOnlyList<KeyValuePair<int, float>> Alternatives);

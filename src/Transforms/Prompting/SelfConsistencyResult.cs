using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>What several answers say.</summary>
/// <param name="Answer">The answer that most of them give, as the first of them wrote it; of equally frequent ones, the one that came first. Null where none could be extracted.</param>
/// <param name="Votes">How many of the answers give it.</param>
/// <param name="Answers">What was extracted of each answer, in the order of their samples; null where nothing was.</param>
/// <param name="Responses">The answers.</param>
public sealed record SelfConsistencyResult(string? Answer, int Votes, IReadOnlyList<string?> Answers, IReadOnlyList<ChatResponse> Responses);

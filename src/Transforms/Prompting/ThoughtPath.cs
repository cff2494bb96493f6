namespace MLNet.Gpt;

/// <summary>Steps towards a solution, and how they were judged.</summary>
/// <param name="Thoughts">The steps, in order.</param>
/// <param name="Value">The mean judgement of the whole path, 1 to 10.</param>
public sealed record ThoughtPath(IReadOnlyList<string> Thoughts, double Value);

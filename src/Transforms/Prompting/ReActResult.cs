namespace MLNet.Gpt;

/// <summary>What came of thinking and acting.</summary>
/// <param name="Answer">The answer; null where the steps ran out, or one was cut off at the most tokens of an answer or has another form.</param>
/// <param name="Steps">The steps.</param>
public sealed record ReActResult(string? Answer, IReadOnlyList<ReActStep> Steps);

namespace MLNet.Gpt;

/// <summary>One step of <see cref="ChatReasoning.ReActAsync"/>.</summary>
/// <param name="Thought">What the model thought.</param>
/// <param name="Action">The tool that it called; null where it finished.</param>
/// <param name="Arguments">The call's arguments as JSON, or the answer.</param>
/// <param name="Observation">What the tool gave, or why it failed; null where the model finished.</param>
public sealed record ReActStep(string Thought, string? Action, string Arguments, string? Observation);

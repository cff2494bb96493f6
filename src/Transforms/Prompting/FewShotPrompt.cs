namespace MLNet.Gpt;

/// <summary>A prompt, and how many examples it shows.</summary>
/// <param name="Text">The prompt.</param>
/// <param name="ExampleCount">The examples in it.</param>
internal sealed record FewShotPrompt(string Text, int ExampleCount);

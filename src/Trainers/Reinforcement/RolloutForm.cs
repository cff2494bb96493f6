namespace MLNet.Gpt;

/// <summary>What every rollout of a run has.</summary>
/// <param name="Shape">The policy's shape, which every token and row fits.</param>
/// <param name="PromptCount">The prompts that are trained on.</param>
/// <param name="RowCount">The responses of a rollout.</param>
/// <param name="MetricCount">What is measured of a rollout.</param>
/// <param name="HasValues">Whether there is a value model.</param>
internal sealed record RolloutForm(GptConfig Shape, int PromptCount, int RowCount, int MetricCount, bool HasValues);

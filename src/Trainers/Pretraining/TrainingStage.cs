namespace MLNet.Gpt;

/// <summary>A part of a run with rows shorter than the context: <see cref="LanguageModelOptions.Stages"/>.</summary>
/// <param name="Steps">Updates of the stage, 1 or more.</param>
/// <param name="SequenceLength">Tokens of a row; divides the context length. Attention's cost grows with it, and a model learns the short range first.</param>
/// <param name="BatchSize">Rows in one update, 1 or more. With <paramref name="SequenceLength"/> halved and this doubled, an update has as many tokens as before.</param>
/// <param name="MicroBatchSize">Rows computed at once; null (the default) means <see cref="LanguageModelOptions.MicroBatchSize"/>.</param>
public sealed record TrainingStage(int Steps, int SequenceLength, int BatchSize, MicroBatchSize? MicroBatchSize = null);

namespace MLNet.Gpt.Tool;

/// <summary>What the options of <see cref="TrainingSwitches"/> were given as.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="BatchSize">Rows in an update.</param>
/// <param name="LearningRate">The largest learning rate; null where the command's default is meant.</param>
/// <param name="ValidationFraction">The share that is held out.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Run">Folder, device, seed, resuming and stopping.</param>
internal sealed record TrainingChoices(string Folder, int BatchSize, double? LearningRate, double ValidationFraction, int Seed, RunOptions Run);

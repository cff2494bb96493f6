namespace MLNet.Gpt;

/// <summary>Training met a loss or gradient that is not a finite number too many times in a row.</summary>
public sealed class TrainingDivergedException : GptException
{
    internal TrainingDivergedException(int step, int skipped, string source, IReadOnlyList<DocumentRange> documents, string? lastCheckpoint, string? bestCheckpoint = null)
        : base($"At step {step} the loss or the gradient was not finite, {skipped} {(skipped == 1 ? "time" : "times")} in a row. {source}. "
            + $"Lower the learning rate, lengthen the warm-up, or look at them. {(lastCheckpoint is null ? "No checkpoint was written." : $"The last good checkpoint is '{lastCheckpoint}'.")}{(bestCheckpoint is null ? "" : $" That of the lowest validation loss is '{bestCheckpoint}'.")}")
    {
        Step = step;
        Documents = documents;
        LastCheckpoint = lastCheckpoint;
    }

    /// <summary>The update that could not be made.</summary>
    public int Step { get; }

    /// <summary>What the batch came from: documents of the training token file, or in fine-tuning rows of the training set.</summary>
    public IReadOnlyList<DocumentRange> Documents { get; }

    /// <summary>The folder of the last good checkpoint, or null.</summary>
    public string? LastCheckpoint { get; }
}

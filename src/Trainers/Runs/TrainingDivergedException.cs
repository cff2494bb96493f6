namespace MLNet.Gpt;

/// <summary>Training met a loss or gradient that is not a finite number too many times in a row.</summary>
public sealed class TrainingDivergedException : GptException
{
    internal TrainingDivergedException(int step, int skipped, IReadOnlyList<DocumentRange> documents, string? lastCheckpoint)
        : base($"At step {step} the loss or the gradient was not finite, for the {skipped}th time in a row; the batch came from {string.Join(", ", documents)}. "
            + $"Lower the learning rate, lengthen the warm-up, or look at those documents. {(lastCheckpoint is null ? "No checkpoint was written." : $"The last good checkpoint is '{lastCheckpoint}'.")}")
    {
        Step = step;
        Documents = documents;
        LastCheckpoint = lastCheckpoint;
    }

    internal TrainingDivergedException(int step, int skipped)
        : base($"At step {step} the gradient was not finite, for the {skipped}th time in a row. Lower the learning rate, lengthen the warm-up, or look at the examples.")
    {
        Step = step;
        Documents = [];
    }

    /// <summary>The update that could not be made.</summary>
    public int Step { get; }

    /// <summary>The documents of the training token file that the batch's rows touch.</summary>
    public IReadOnlyList<DocumentRange> Documents { get; }

    /// <summary>The folder of the last good checkpoint, or null.</summary>
    public string? LastCheckpoint { get; }
}

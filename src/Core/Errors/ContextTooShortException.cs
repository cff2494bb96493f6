namespace MLNet.Gpt;

/// <summary>A model's context has no room for a task's special tokens and one token of each text.</summary>
public sealed class ContextTooShortException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="task">The task.</param>
    /// <param name="contextLength">The model's context length.</param>
    /// <param name="needed">The least that the task needs.</param>
    public ContextTooShortException(SupervisedTask task, int contextLength, int needed)
        : base($"The model's context has {contextLength} positions, but {task} needs {needed} or more: its special tokens and a token of each text. Use a model with a longer context.")
    {
        ContextLength = contextLength;
        Needed = needed;
    }

    /// <summary>The model's context length.</summary>
    public int ContextLength { get; }

    /// <summary>The least that the task needs.</summary>
    public int Needed { get; }
}

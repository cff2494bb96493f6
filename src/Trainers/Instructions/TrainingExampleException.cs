namespace MLNet.Gpt;

/// <summary>A row can't be trained on: its completion is empty, it is too long, or its conversation is broken. Nothing was trained.</summary>
public sealed class TrainingExampleException : GptException
{
    internal TrainingExampleException(long? row, string problem, string remedy, Exception? innerException = null)
        : base($"{(row is { } number ? $"Row {number}" : "The training data")}: {problem} {remedy}", innerException) => Row = row;

    /// <summary>The row, counted from 0 in its data view; null where the data as a whole is at fault.</summary>
    public long? Row { get; }
}

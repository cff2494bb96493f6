namespace MLNet.Gpt;

/// <summary>A row can't be trained on: its completion is empty, it is too long, or its conversation is broken. Nothing was trained.</summary>
public sealed class TrainingExampleException : GptException
{
    private readonly string _found;

    internal TrainingExampleException(long? row, string problem, string remedy, Exception? innerException = null)
        : this(row, $"{problem} {remedy}", ofValidation: false, innerException)
    {
    }

    private TrainingExampleException(long? row, string found, bool ofValidation, Exception? innerException)
        : base($"{(row is { } number ? FormattableString.Invariant($"Row {number}{(ofValidation ? " of the validation set" : "")}") : ofValidation ? "The validation set" : "The training data")}: {found}", innerException) =>
        (Row, _found) = (row, found);

    /// <summary>The row, counted from 0 in its data view; null where the data as a whole is at fault.</summary>
    public long? Row { get; }

    /// <summary>The same of a validation set.</summary>
    internal TrainingExampleException OfValidation() => new(Row, _found, ofValidation: true, InnerException);
}

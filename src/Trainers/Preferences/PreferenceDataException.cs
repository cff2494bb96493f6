namespace MLNet.Gpt;

/// <summary>Graded responses can't be learnt from. Nothing was trained.</summary>
public sealed class PreferenceDataException : GptException
{
    private readonly string _found;

    internal PreferenceDataException(PreferenceDataProblem problem, long? row, string? group, string found, string remedy, Exception? innerException = null)
        : this(problem, row, group, $"{found} {remedy}", ofValidation: false, innerException)
    {
    }

    private PreferenceDataException(PreferenceDataProblem problem, long? row, string? group, string found, bool ofValidation, Exception? innerException)
        : base($"{(row is { } number ? FormattableString.Invariant($"Row {number}{(ofValidation ? " of the validation set" : "")}") : ofValidation ? "The validation set" : "The training data")}{(group is null ? "" : $" (group {group})")}: {found}", innerException)
    {
        Problem = problem;
        Row = row;
        Group = group;
        _found = found;
    }

    /// <summary>What is wrong.</summary>
    public PreferenceDataProblem Problem { get; }

    /// <summary>The row, counted from 0 in its data view (of a group, its first); null where the data as a whole is at fault.</summary>
    public long? Row { get; }

    /// <summary>The group, as its column has it; null where there is none.</summary>
    public string? Group { get; }

    /// <summary>The same of a validation set.</summary>
    internal PreferenceDataException OfValidation() => new(Problem, Row, Group, _found, ofValidation: true, InnerException);
}

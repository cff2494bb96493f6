namespace MLNet.Gpt;

/// <summary>Graded responses can't be learnt from. Nothing was trained.</summary>
public sealed class PreferenceDataException : GptException
{
    internal PreferenceDataException(PreferenceDataProblem problem, long? row, string? group, string found, string remedy, Exception? innerException = null)
        : base($"{(row is { } number ? FormattableString.Invariant($"Row {number}") : "The graded responses")}{(group is null ? "" : $" (group {group})")}: {found} {remedy}", innerException)
    {
        Problem = problem;
        Row = row;
        Group = group;
    }

    /// <summary>What is wrong.</summary>
    public PreferenceDataProblem Problem { get; }

    /// <summary>The row, counted from 0 in its data view (of a group, its first); null where the data as a whole is at fault.</summary>
    public long? Row { get; }

    /// <summary>The group, as its column has it; null where there is none.</summary>
    public string? Group { get; }
}

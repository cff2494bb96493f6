namespace MLNet.Gpt;

/// <summary>A file of an evaluation set lacks a field, or has one that can't be read. Nothing was evaluated.</summary>
public sealed class EvaluationFileException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file.</param>
    /// <param name="row">The record, counted from 1 without a header; 0 for the header.</param>
    /// <param name="field">The field.</param>
    /// <param name="problem">What is wrong with it.</param>
    /// <param name="remedy">What to do about it.</param>
    /// <param name="innerException">The cause; null where there is none.</param>
    public EvaluationFileException(string path, long row, string field, string problem, string remedy, Exception? innerException = null)
        : base(FormattableString.Invariant($"{path}, {(row == 0 ? "the header" : FormattableString.Invariant($"record {row}"))}: {(field is { Length: > 0 } ? $"field '{field}' " : "")}{problem} {remedy}"), innerException)
    {
        Path = path;
        Row = row;
        Field = field;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The record, counted from 1 without a header; 0 for the header.</summary>
    public long Row { get; }

    /// <summary>The field; empty where the record as a whole is at fault.</summary>
    public string Field { get; }
}

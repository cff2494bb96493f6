namespace MLNet.Gpt;

/// <summary>A row of the prompts to prepare can't be used. Nothing was prepared.</summary>
public sealed class PromptDataException : GptException
{
    internal PromptDataException(long row, string columnName, string found, string remedy)
        : base(FormattableString.Invariant($"Column '{columnName}', row {row}: {found} {remedy}")) => (Row, ColumnName) = (row, columnName);

    /// <summary>The row, counted from 0 in its data view.</summary>
    public long Row { get; }

    /// <summary>The column.</summary>
    public string ColumnName { get; }
}

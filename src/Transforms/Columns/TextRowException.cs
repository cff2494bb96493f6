namespace MLNet.Gpt;

/// <summary>A row's texts can't be used; the inner exception tells why. The other rows can still be read.</summary>
public sealed class TextRowException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="row">The row's position in its cursor, from 0.</param>
    /// <param name="columnNames">The text columns that were read.</param>
    /// <param name="innerException">What is wrong with the texts, and what to do about it.</param>
    public TextRowException(long row, IReadOnlyList<string> columnNames, Exception innerException)
        : base(FormattableString.Invariant($"Column {string.Join(", ", (columnNames ?? throw new ArgumentNullException(nameof(columnNames))).Select(static name => $"'{name}'"))}, row {row}: {(innerException ?? throw new ArgumentNullException(nameof(innerException))).Message}"), innerException)
    {
        Row = row;
        ColumnNames = columnNames;
    }

    /// <summary>The row's position in its cursor, from 0.</summary>
    public long Row { get; }

    /// <summary>The text columns that were read.</summary>
    public IReadOnlyList<string> ColumnNames { get; }
}

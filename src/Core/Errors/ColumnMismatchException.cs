namespace MLNet.Gpt;

/// <summary>A column that an estimator or a transformer needs is missing, or has another type.</summary>
public sealed class ColumnMismatchException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="columnName">The column's name.</param>
    /// <param name="expected">The expected type, as text.</param>
    /// <param name="found">The found type, or what the schema has instead.</param>
    public ColumnMismatchException(string columnName, string expected, string found)
        : base($"Column '{columnName}': expected {expected}, found {found}. Name another column, or convert this one first.")
    {
        ColumnName = columnName;
        Expected = expected;
        Found = found;
    }

    /// <summary>The column's name.</summary>
    public string ColumnName { get; }

    /// <summary>The expected type.</summary>
    public string Expected { get; }

    /// <summary>The found type, or what the schema has instead.</summary>
    public string Found { get; }
}

namespace MLNet.Gpt;

/// <summary>The labels of a training set teach nothing: none is there, or all are the same.</summary>
public sealed class InvalidLabelsException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="columnName">The label column.</param>
    /// <param name="problem">What was found, and what to do.</param>
    public InvalidLabelsException(string columnName, string problem)
        : base($"Label column '{columnName}': {problem}") => ColumnName = columnName;

    /// <summary>The label column.</summary>
    public string ColumnName { get; }
}

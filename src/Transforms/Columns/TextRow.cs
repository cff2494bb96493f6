namespace MLNet.Gpt;

/// <summary>A row's texts, and where the row stands, for messages.</summary>
/// <param name="Position">The row's position in its cursor.</param>
/// <param name="Columns">The texts of each input column: one, or, of a vector, as many as it has.</param>
internal readonly record struct TextRow(long Position, IReadOnlyList<IReadOnlyList<string>> Columns)
{
    /// <summary>The text of the first input column.</summary>
    public string Text => Columns[0][0];
}

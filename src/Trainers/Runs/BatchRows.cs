namespace MLNet.Gpt;

/// <summary>The rows of a view that a batch came from, as logs and exceptions name them.</summary>
internal static class BatchRows
{
    /// <summary>"The batch holds the rows 3, 17, 20".</summary>
    /// <param name="what">What the rows are: "the rows".</param>
    /// <param name="rows">Their numbers, in any order.</param>
    public static string Text(string what, IEnumerable<long> rows) => $"The batch holds {what} {string.Join(", ", rows.Order())}";

    /// <summary>The same rows, one range each.</summary>
    public static IReadOnlyList<DocumentRange> Ranges(IEnumerable<long> rows) => [.. rows.Order().Select(static row => new DocumentRange((int)row, (int)row))];
}

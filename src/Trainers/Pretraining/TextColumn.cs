using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Reads the texts of a data view.</summary>
internal static class TextColumn
{
    /// <summary>The texts of one column in the order of the rows; each enumeration reads the view anew.</summary>
    public static IEnumerable<string> Read(IDataView view, string name) => Read(view, [name]).Select(static texts => texts[0]);

    /// <summary>The texts of some columns, row by row, from one cursor: two cursors over shuffled rows need not agree.</summary>
    /// <param name="view">The rows.</param>
    /// <param name="names">The columns; one may be named twice.</param>
    public static IEnumerable<string[]> Read(IDataView view, IReadOnlyList<string> names)
    {
        DataViewSchema.Column[] columns = [.. names.Select(name => TextColumnMapper.FindText(name, view.Schema))];
        using DataViewRowCursor cursor = view.GetRowCursor(columns.DistinctBy(static column => column.Index));
        ValueGetter<ReadOnlyMemory<char>>[] getters = [.. columns.Select(column => cursor.GetGetter<ReadOnlyMemory<char>>(column))];
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext())
        {
            var texts = new string[getters.Length];
            for (int i = 0; i < texts.Length; i++)
            {
                getters[i](ref text);
                texts[i] = text.ToString();
            }

            yield return texts;
        }
    }
}

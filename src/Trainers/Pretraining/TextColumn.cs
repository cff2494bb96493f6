using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Reads the texts of a data view.</summary>
internal static class TextColumn
{
    /// <summary>The texts in the order of the rows; each enumeration reads the view anew.</summary>
    public static IEnumerable<string> Read(IDataView view, string name)
    {
        DataViewSchema.Column column = TextColumnMapper.FindText(name, view.Schema);
        using DataViewRowCursor cursor = view.GetRowCursor([column]);
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext())
        {
            getter(ref text);
            yield return text.ToString();
        }
    }
}

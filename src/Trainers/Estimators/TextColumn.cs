using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Reads the texts of a data view.</summary>
internal static class TextColumn
{
    /// <summary>Checks that the column is there and holds one text a row.</summary>
    /// <exception cref="ColumnMismatchException">It is missing, or has another type.</exception>
    public static void Check(DataViewSchema schema, string name)
    {
        if (schema.GetColumnOrNull(name) is not { } column)
            throw new ColumnMismatchException(name, "text", $"no such column among {string.Join(", ", schema.Select(static c => c.Name))}");
        if (column.Type is not TextDataViewType) throw new ColumnMismatchException(name, "text", column.Type.ToString()!);
    }

    /// <summary>The texts in the order of the rows; each enumeration reads the view anew.</summary>
    public static IEnumerable<string> Read(IDataView view, string name)
    {
        DataViewSchema.Column column = view.Schema[name];
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

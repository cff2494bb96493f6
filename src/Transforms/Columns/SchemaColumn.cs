using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Looking up columns of a schema.</summary>
internal static class SchemaColumn
{
    /// <summary>The column of a name.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="name">The name.</param>
    /// <param name="expected">The types that are taken, in words.</param>
    /// <param name="fits">Whether a type is one of them.</param>
    /// <exception cref="ColumnMismatchException">It is missing, or of another type.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string expected, Func<DataViewType, bool> fits)
    {
        DataViewSchema.Column column = Find(schema, name, expected);
        return fits(column.Type) ? column : throw new ColumnMismatchException(name, expected, column.Type.ToString()!);
    }

    /// <summary>The column of a name, of any type.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="name">The name.</param>
    /// <param name="expected">The types that are taken, in words.</param>
    /// <exception cref="ColumnMismatchException">It is missing.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string expected) => schema.GetColumnOrNull(name)
        ?? throw new ColumnMismatchException(name, expected, schema.Count == 0 ? "no columns at all" : $"no such column among {string.Join(", ", schema.Where(static column => !column.IsHidden).Select(static column => $"'{column.Name}'"))}");
}

using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>What reading text columns and adding others does to a schema's shape.</summary>
internal static class TextColumnShape
{
    /// <summary>The columns of the input and those that are added; one of the same name takes the other's place.</summary>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    public static SchemaShape Add(SchemaShape input, IReadOnlyList<TextInput> inputs, IReadOnlyList<TextOutput> outputs)
    {
        foreach (TextInput wanted in inputs) Check(input, wanted);
        return Replace(input, [.. outputs.Select(ShapeOf)]);
    }

    /// <summary>The same with one text column.</summary>
    /// <exception cref="ColumnMismatchException">The input column is missing, or is not text.</exception>
    public static SchemaShape Add(SchemaShape input, string inputColumnName, IReadOnlyList<TextOutput> outputs) => Add(input, [new TextInput(inputColumnName)], outputs);

    /// <summary>The columns of the input and others; one of the same name takes the other's place.</summary>
    public static SchemaShape Replace(SchemaShape input, IReadOnlyList<SchemaShape.Column> added) =>
        new([.. input.Where(column => added.All(other => other.Name != column.Name)), .. added]);

    /// <summary>Checks that a shape has a column to read.</summary>
    /// <exception cref="ColumnMismatchException">It is missing, or of another type.</exception>
    public static void Check(SchemaShape input, TextInput wanted)
    {
        SchemaShape.Column text = Find(input, wanted.Name, wanted.TypeName);
        if (text.Kind != SchemaShape.Column.VectorKind.Scalar != wanted.IsVector || text.IsKey || text.ItemType is not TextDataViewType)
            throw new ColumnMismatchException(wanted.Name, wanted.TypeName, Describe(text));
    }

    /// <summary>The column of that name.</summary>
    /// <exception cref="ColumnMismatchException">It is missing.</exception>
    public static SchemaShape.Column Find(SchemaShape input, string name, string expected)
    {
        SchemaShape.Column[] found = [.. input.Where(column => column.Name == name)];
        return found.Length > 0 ? found[^1]
            : throw new ColumnMismatchException(name, expected, $"no such column among {string.Join(", ", input.Select(column => $"'{column.Name}'"))}");
    }

    /// <summary>A column's kind and type in words.</summary>
    public static string Describe(SchemaShape.Column column) => $"{column.Kind} of {column.ItemType}{(column.IsKey ? " as a key" : "")}";

    private static SchemaShape.Column ShapeOf(TextOutput output) => ShapeOf(output.Name, output.Type, output.InputDependentAnnotations is { } make
        ? new SchemaShape(make(new DataViewSchema.Builder().ToSchema()).Schema.Select(static each => ShapeOf(each.Name, each.Type)))
        : output.Annotations?.Shape);

    /// <summary>The shape of a column.</summary>
    public static SchemaShape.Column ShapeOf(string name, DataViewType type, SchemaShape? annotations = null)
    {
        var vector = type as VectorDataViewType;
        DataViewType itemType = vector?.ItemType ?? type;
        SchemaShape.Column.VectorKind kind = vector is null ? SchemaShape.Column.VectorKind.Scalar
            : vector.IsKnownSize ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.VariableVector;
        bool isKey = itemType is KeyDataViewType; // always of UInt32 here
        return SchemaShapeColumn.Create(name, kind, isKey ? NumberDataViewType.UInt32 : itemType, isKey, annotations);
    }
}

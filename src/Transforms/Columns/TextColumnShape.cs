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
        return new SchemaShape([.. input.Where(column => outputs.All(output => output.Name != column.Name)), .. outputs.Select(ShapeOf)]);
    }

    /// <summary>The same with one text column.</summary>
    /// <exception cref="ColumnMismatchException">The input column is missing, or is not text.</exception>
    public static SchemaShape Add(SchemaShape input, string inputColumnName, IReadOnlyList<TextOutput> outputs) => Add(input, [new TextInput(inputColumnName)], outputs);

    private static void Check(SchemaShape input, TextInput wanted)
    {
        SchemaShape.Column[] found = [.. input.Where(column => column.Name == wanted.Name)];
        if (found.Length == 0)
            throw new ColumnMismatchException(wanted.Name, wanted.TypeName, $"no such column among {string.Join(", ", input.Select(column => $"'{column.Name}'"))}");
        SchemaShape.Column text = found[^1];
        if (text.Kind != SchemaShape.Column.VectorKind.Scalar != wanted.IsVector || text.IsKey || text.ItemType is not TextDataViewType)
            throw new ColumnMismatchException(wanted.Name, wanted.TypeName, $"{text.Kind} of {text.ItemType}{(text.IsKey ? " as a key" : "")}");
    }

    private static SchemaShape.Column ShapeOf(TextOutput output)
    {
        var vector = output.Type as VectorDataViewType;
        DataViewType itemType = vector?.ItemType ?? output.Type;
        SchemaShape.Column.VectorKind kind = vector is null ? SchemaShape.Column.VectorKind.Scalar
            : vector.IsKnownSize ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.VariableVector;
        bool isKey = itemType is KeyDataViewType; // always of UInt32 here
        return SchemaShapeColumn.Create(output.Name, kind, isKey ? NumberDataViewType.UInt32 : itemType, isKey, output.Annotations?.Shape);
    }
}

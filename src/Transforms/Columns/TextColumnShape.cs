using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>What reading a text column and adding others does to a schema's shape.</summary>
internal static class TextColumnShape
{
    /// <summary>The columns of the input and those that are added; one of the same name takes the other's place.</summary>
    /// <exception cref="ColumnMismatchException">The input column is missing, or is not text.</exception>
    public static SchemaShape Add(SchemaShape input, string inputColumnName, IReadOnlyList<TextOutput> outputs)
    {
        SchemaShape.Column[] found = [.. input.Where(column => column.Name == inputColumnName)];
        if (found.Length == 0)
            throw new ColumnMismatchException(inputColumnName, "text", $"no such column among {string.Join(", ", input.Select(column => $"'{column.Name}'"))}");
        SchemaShape.Column text = found[^1];
        if (text.Kind != SchemaShape.Column.VectorKind.Scalar || text.IsKey || text.ItemType is not TextDataViewType)
            throw new ColumnMismatchException(inputColumnName, "text", $"{text.Kind} of {text.ItemType}{(text.IsKey ? " as a key" : "")}");
        return new SchemaShape([.. input.Where(column => outputs.All(output => output.Name != column.Name)), .. outputs.Select(ShapeOf)]);
    }

    private static SchemaShape.Column ShapeOf(TextOutput output) => output.Type is VectorDataViewType vector
        ? SchemaShapeColumn.Create(output.Name, vector.IsKnownSize ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.VariableVector, vector.ItemType, isKey: false, annotations: null)
        : SchemaShapeColumn.Create(output.Name, SchemaShape.Column.VectorKind.Scalar, output.Type, isKey: false, annotations: null);
}

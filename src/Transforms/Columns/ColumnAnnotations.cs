using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The annotations of a column that a transformer adds, for its schema and for the schema's shape.</summary>
/// <remarks>Filled once, before it is read.</remarks>
internal sealed class ColumnAnnotations
{
    private readonly DataViewSchema.Annotations.Builder _builder = new();
    private readonly List<SchemaShape.Column> _shape = [];

    /// <summary>The values.</summary>
    public DataViewSchema.Annotations Values => _builder.ToAnnotations();

    /// <summary>Their types.</summary>
    public SchemaShape Shape => new(_shape);

    /// <summary>Adds a vector of texts, such as KeyValues or SlotNames.</summary>
    public ColumnAnnotations Add(string kind, IReadOnlyList<string> texts)
    {
        ReadOnlyMemory<char>[] values = [.. texts.Select(text => text.AsMemory())];
        _builder.Add(kind, new VectorDataViewType(TextDataViewType.Instance, values.Length), (ref VBuffer<ReadOnlyMemory<char>> value) => value = new(values.Length, [.. values]));
        _shape.Add(SchemaShapeColumn.Create(kind, SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, isKey: false, annotations: null));
        return this;
    }

    /// <summary>Adds a text, such as ScoreColumnKind.</summary>
    public ColumnAnnotations Add(string kind, string text)
    {
        _builder.AddPrimitiveValue(kind, TextDataViewType.Instance, text.AsMemory());
        _shape.Add(SchemaShapeColumn.Create(kind, SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, isKey: false, annotations: null));
        return this;
    }
}

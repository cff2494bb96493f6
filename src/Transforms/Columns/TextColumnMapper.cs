using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A text operation bound to a schema: the input's columns, unchanged and at their places, then those that the operation adds.</summary>
internal sealed class TextColumnMapper : IRowToRowMapper
{
    public TextColumnMapper(TextOperation operation, DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Operation = operation;
        InputSchema = inputSchema;
        TextColumns = [.. operation.Inputs.Select(wanted => FindText(wanted, inputSchema))];
        var schema = new DataViewSchema.Builder();
        schema.AddColumns(inputSchema);
        foreach (TextOutput output in operation.Outputs)
            schema.AddColumn(output.Name, output.Type, output.AnnotationsFor(inputSchema));
        OutputSchema = schema.ToSchema();
    }

    public TextOperation Operation { get; }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public IReadOnlyList<DataViewSchema.Column> TextColumns { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        bool[] active = Active(dependingColumns);
        bool computes = AnyOutput(active);
        return InputSchema.Where(column => active[column.Index] || (computes && TextColumns.Any(text => text.Index == column.Index)));
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.Schema != InputSchema)
            throw new ArgumentException("The row has another schema than the one that this mapper was made for; ask the transformer for a mapper of the row's schema.", nameof(input));
        return new TextColumnRow(this, input, Active(activeColumns));
    }

    /// <summary>For each column of <see cref="OutputSchema"/> whether it is among those asked for.</summary>
    public bool[] Active(IEnumerable<DataViewSchema.Column> columns)
    {
        ArgumentNullException.ThrowIfNull(columns);
        bool[] active = new bool[OutputSchema.Count];
        foreach (DataViewSchema.Column column in columns)
        {
            if (column.Index >= active.Length || OutputSchema[column.Index].Name != column.Name)
                throw new ArgumentException($"Column '{column.Name}' is not one of this schema; take the columns from the data view's own schema.", nameof(columns));
            active[column.Index] = true;
        }

        return active;
    }

    /// <summary>Whether any of the operation's own columns is among those asked for.</summary>
    public bool AnyOutput(bool[] active) => active.AsSpan(InputSchema.Count).Contains(true);

    /// <summary>Getters for the operation's active columns, null for the others.</summary>
    public Delegate?[] OutputGetters(bool[] active, Func<object> current) =>
        [.. Operation.Outputs.Select((output, i) => active[InputSchema.Count + i] ? output.CreateGetter(current) : null)];

    /// <summary>Checks that a getter is asked for with the column's own type.</summary>
    public static ValueGetter<TValue> Cast<TValue>(Delegate? getter, DataViewSchema.Column column) => getter switch
    {
        ValueGetter<TValue> typed => typed,
        null => throw Inactive(column),
        _ => throw new InvalidOperationException($"Column '{column.Name}' holds {column.Type.RawType}, and was asked for as {typeof(TValue)}."),
    };

    public static InvalidOperationException Inactive(DataViewSchema.Column column) =>
        new($"Column '{column.Name}' is not active; name it among the columns needed when the cursor is made.");

    /// <summary>Finds a text column.</summary>
    /// <exception cref="ColumnMismatchException">It is missing, or is not text.</exception>
    public static DataViewSchema.Column FindText(string name, DataViewSchema schema) => FindText(new TextInput(name), schema);

    /// <summary>Finds a column of text or of vectors of texts.</summary>
    /// <exception cref="ColumnMismatchException">It is missing, or of another type.</exception>
    public static DataViewSchema.Column FindText(TextInput wanted, DataViewSchema schema) =>
        SchemaColumn.Find(schema, wanted.Name, wanted.TypeName, type => wanted.IsVector ? type is VectorDataViewType { ItemType: TextDataViewType } : type is TextDataViewType);
}

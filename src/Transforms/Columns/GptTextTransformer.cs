using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// What the transformers over text columns share: they keep all columns and add their own. Rows are computed in batches, and only those columns that are
/// asked for.
/// </summary>
/// <remarks>
/// Thread-safe; so are the data views that it makes, by way of one cursor per thread. <c>mlContext.Model.Save</c> writes the model (graph, weights, tokenizer) and the
/// options into ML.NET's own file; <c>mlContext.Model.Load</c> in a process that can find MLNet.Gpt.Transforms makes the transformer again, on ONNX Runtime.
/// </remarks>
public abstract class GptTextTransformer : ITransformer, IModelFileTransformer, IDisposable
{
    private readonly TextOperation _operation;
    private readonly IDisposable? _owned;

    private protected GptTextTransformer(TextOperation operation, IDisposable? owned)
    {
        _operation = operation;
        _owned = owned;
    }

    /// <summary>The text column that is read; of several, the first.</summary>
    public string InputColumnName => _operation.InputColumnName;

    /// <summary>The columns that are read.</summary>
    public IReadOnlyList<string> InputColumnNames => [.. _operation.Inputs.Select(input => input.Name)];

    /// <summary>The columns that are added, in their order.</summary>
    public IReadOnlyList<string> OutputColumnNames => [.. _operation.Outputs.Select(output => output.Name)];

    /// <summary>Always true: each row's new values come from that row alone.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The input's columns, then those that are added.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was loaded, and has been disposed.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).OutputSchema;

    /// <summary>Binds the transformer to a schema, to map row by row, as a PredictionEngine does.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was loaded, and has been disposed.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Bind(inputSchema);

    /// <summary>A view of the data with the added columns. Nothing is computed yet.</summary>
    /// <param name="input">The data.</param>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was loaded, and has been disposed.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new TextColumnDataView(Bind(input.Schema), input);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        _operation.ThrowIfClosed();
        ModelFile.Save(ctx, ToSaved(), Environment);
    }

    /// <summary>
    /// Disposes the model of a transformer that <c>mlContext.Model.Load</c> made, with the last transformer that was loaded over it; this one, and the views that it has made, then throw an
    /// <see cref="ObjectDisposedException"/>. Does nothing otherwise, since the model is the caller's, or there is none.
    /// </summary>
    public void Dispose()
    {
        if (_owned is not null) _operation.Close(GetType());
        _owned?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The context that made the transformer: it says where temporary files go while it is saved. Null for the system's folder.</summary>
    internal IHostEnvironment? Environment { get; set; }

    IHostEnvironment? IModelFileTransformer.Environment
    {
        get => Environment;
        set => Environment = value;
    }

    internal TextOperation Operation => _operation;

    private protected abstract SavedTransformer ToSaved();

    private TextColumnMapper Bind(DataViewSchema inputSchema)
    {
        _operation.ThrowIfClosed();
        return new(_operation, inputSchema);
    }
}

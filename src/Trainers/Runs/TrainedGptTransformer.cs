using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>What the trainers' transformers share: they map rows as the transformer over the trained model does, are saved as that, and own the model.</summary>
/// <remarks>May be used from several threads.</remarks>
public abstract class TrainedGptTransformer : ITransformer, IDisposable
{
    private readonly GptTextTransformer _mapping;
    private readonly IDisposable _model;

    private protected TrainedGptTransformer(GptTextTransformer mapping, IDisposable model)
    {
        _mapping = mapping;
        _model = model;
    }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => _mapping.IsRowToRowMapper;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => _mapping.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => _mapping.GetRowToRowMapper(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => _mapping.Transform(input);

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        _model.Dispose();
        GC.SuppressFinalize(this);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)_mapping).Save(ctx);
}

using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// A pretrained GPT as an ML.NET transformer: scores a text column (log-likelihood, perplexity and token count of each row) and
/// gives the model to whatever else needs it.
/// </summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="ScoreTextTransformer"/> over
/// ONNX, and loads as one. Disposing it frees the model.
/// </remarks>
public sealed class GptLanguageModelTransformer : ITransformer, IDisposable
{
    private readonly ScoreTextTransformer _scoring;

    internal GptLanguageModelTransformer(ScoreTextTransformer scoring, GptModel model, PretrainingResult training)
    {
        _scoring = scoring;
        Model = model;
        Training = training;
    }

    /// <summary>The trained model.</summary>
    public GptModel Model { get; }

    /// <summary>How training went.</summary>
    public PretrainingResult Training { get; }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => _scoring.IsRowToRowMapper;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => _scoring.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => _scoring.GetRowToRowMapper(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => _scoring.Transform(input);

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)_scoring).Save(ctx);
}

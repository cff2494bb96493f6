using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A GPT fine-tuned for a supervised task, as an ML.NET transformer: scores and predicts, and gives the model to whatever else needs it.</summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="ClassifyTextTransformer"/> over ONNX, and loads as one.
/// Disposing it frees the model.
/// </remarks>
public sealed class SupervisedTaskTransformer : ITransformer, IDisposable
{
    private readonly ClassifyTextTransformer _scoring;

    internal SupervisedTaskTransformer(ClassifyTextTransformer scoring, SupervisedTaskResult training)
    {
        _scoring = scoring;
        Training = training;
    }

    /// <summary>The trained model.</summary>
    public GptClassifier Model => _scoring.Model;

    /// <summary>How training went.</summary>
    public SupervisedTaskResult Training { get; }

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

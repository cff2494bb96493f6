namespace MLNet.Gpt;

/// <summary>
/// A pretrained GPT as an ML.NET transformer: scores a text column (log-likelihood, perplexity and token count of each row) and
/// gives the model to whatever else needs it.
/// </summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="ScoreTextTransformer"/> over
/// ONNX, and loads as one. Disposing it frees the model.
/// </remarks>
public sealed class GptLanguageModelTransformer : TrainedGptTransformer
{
    internal GptLanguageModelTransformer(ScoreTextTransformer scoring, GptModel model, PretrainingResult training)
        : base(scoring, model)
    {
        Model = model;
        Training = training;
    }

    /// <summary>The trained model.</summary>
    public GptModel Model { get; }

    /// <summary>How training went.</summary>
    public PretrainingResult Training { get; }
}

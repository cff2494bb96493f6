namespace MLNet.Gpt;

/// <summary>A GPT fine-tuned for a supervised task, as an ML.NET transformer: scores and predicts, and gives the model to whatever else needs it.</summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="ClassifyTextTransformer"/> over ONNX, and loads as one.
/// Disposing it frees the model.
/// </remarks>
public sealed class SupervisedTaskTransformer : TrainedGptTransformer
{
    internal SupervisedTaskTransformer(ClassifyTextTransformer scoring, SupervisedTaskResult training)
        : base(scoring, scoring.Model)
    {
        Model = scoring.Model;
        Training = training;
    }

    /// <summary>The trained model.</summary>
    public GptClassifier Model { get; }

    /// <summary>How training went.</summary>
    public SupervisedTaskResult Training { get; }
}

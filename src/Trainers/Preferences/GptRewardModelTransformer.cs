namespace MLNet.Gpt;

/// <summary>A trained reward model as an ML.NET transformer: scores each row's response to its prompt, and gives the model to whatever else needs it.</summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="ScoreResponseTransformer"/> over ONNX, and loads as one.
/// Disposing it frees the model.
/// </remarks>
public sealed class GptRewardModelTransformer : TrainedGptTransformer
{
    internal GptRewardModelTransformer(ScoreResponseTransformer scoring, RewardModelResult training)
        : base(scoring, scoring.Model)
    {
        Model = scoring.Model;
        Training = training;
    }

    /// <summary>The trained model.</summary>
    public GptRewardModel Model { get; }

    /// <summary>How training went.</summary>
    public RewardModelResult Training { get; }
}

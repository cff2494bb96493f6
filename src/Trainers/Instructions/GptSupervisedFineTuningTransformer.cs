namespace MLNet.Gpt;

/// <summary>
/// A GPT that was taught to complete prompts or to answer in conversations, as an ML.NET transformer: writes the completion of each row's
/// prompt, or the answer to each row's conversation, and gives the model to whatever else needs it.
/// </summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="GenerateTextTransformer"/> over ONNX, an adapter
/// merged, and loads as one. Disposing it frees the model.
/// </remarks>
public sealed class GptSupervisedFineTuningTransformer : TrainedGptTransformer
{
    internal GptSupervisedFineTuningTransformer(GenerateTextTransformer generation, GptModel model, FineTuningResult training)
        : base(generation, model)
    {
        Model = model;
        Training = training;
    }

    /// <summary>The fine-tuned model. Where an adapter was trained it shares the weights of a pretrained model that was given on the same device, and <c>SaveAdapter</c> writes the adapter alone.</summary>
    public GptModel Model { get; }

    /// <summary>How training went.</summary>
    public FineTuningResult Training { get; }
}

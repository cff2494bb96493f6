namespace MLNet.Gpt;

/// <summary>An optimised policy as an ML.NET transformer: writes a response to each row's prompt, and gives the model to whatever else needs it.</summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="GenerateTextTransformer"/> over ONNX, an adapter merged, and loads as one. Disposing it frees the model.
/// </remarks>
public sealed class GptPolicyTransformer : TrainedGptTransformer
{
    internal GptPolicyTransformer(GenerateTextTransformer generation, GptModel model, PolicyOptimizationResult training)
        : base(generation, model) => (Model, Training) = (model, training);

    /// <summary>The policy. Where an adapter was trained it shares the weights of a pretrained model that was given on the same device, and <c>SaveAdapter</c> writes the adapter alone.</summary>
    public GptModel Model { get; }

    /// <summary>How training went.</summary>
    public PolicyOptimizationResult Training { get; }
}

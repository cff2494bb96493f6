namespace MLNet.Gpt;

/// <summary>A policy that was taught by pairs of responses, as an ML.NET transformer: writes the response to each row's prompt, and gives the model to whatever else needs it.</summary>
/// <remarks>
/// May be used from several threads. Saved with <c>mlContext.Model.Save</c> it becomes a <see cref="GenerateTextTransformer"/> over ONNX, an adapter merged, and loads as one. Disposing
/// it frees the model.
/// </remarks>
public sealed class GptDirectPreferenceTransformer : TrainedGptTransformer
{
    internal GptDirectPreferenceTransformer(GenerateTextTransformer generation, GptModel model, DirectPreferenceResult training)
        : base(generation, model)
    {
        Model = model;
        Training = training;
    }

    /// <summary>The trained policy. Where an adapter was trained it shares the weights of a pretrained model that was given on the same device, and <c>SaveAdapter</c> writes the adapter alone.</summary>
    public GptModel Model { get; }

    /// <summary>How training went.</summary>
    public DirectPreferenceResult Training { get; }
}

namespace MLNet.Gpt;

/// <summary>The pretrained model that a trainer begins with: a model in memory, or a checkpoint folder. It is read, never changed.</summary>
/// <remarks>Immutable. A <see cref="GptModel"/> converts to it, and a folder's path does: <c>Pretrained = languageModel.Model</c>, <c>Pretrained = "gpt2"</c>.</remarks>
public sealed record PretrainedModel
{
    private PretrainedModel(GptModel? model, string? folder)
    {
        Model = model;
        Folder = folder;
    }

    /// <summary>The model in memory, which stays the caller's; null where it is a folder.</summary>
    public GptModel? Model { get; }

    /// <summary>The checkpoint folder, in Hugging Face's GPT-1 or GPT-2 layout with its tokenizer; null where it is a model in memory.</summary>
    public string? Folder { get; }

    /// <summary>Begins with a model in memory.</summary>
    /// <param name="model">The model, on TorchSharp: <c>transformer.Model</c> of a fitted language model, or <c>GptModel.FromCheckpoint</c>.</param>
    /// <exception cref="ArgumentException">It runs on another engine, which can't be trained.</exception>
    public static PretrainedModel Of(GptModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Engine is TorchCausalModel ? new(model, null)
            : throw new ArgumentException($"The pretrained model runs on {model.Engine.GetType().Name}, which can't be trained; name its checkpoint folder.", nameof(model));
    }

    /// <summary>Begins with a checkpoint.</summary>
    /// <param name="folder">The folder, in Hugging Face's GPT-1 or GPT-2 layout with its tokenizer.</param>
    public static PretrainedModel InFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return new(null, folder);
    }

    /// <summary>Begins with a model in memory.</summary>
    /// <param name="model">As for <see cref="Of"/>.</param>
    public static implicit operator PretrainedModel(GptModel model) => Of(model);

    /// <summary>Begins with a checkpoint.</summary>
    /// <param name="folder">As for <see cref="InFolder"/>.</param>
    public static implicit operator PretrainedModel(string folder) => InFolder(folder);

    /// <summary>Opens it.</summary>
    /// <exception cref="CheckpointNotFoundException">The folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">The checkpoint can't be read, or has no tokenizer.</exception>
    internal PretrainedWeights Open() => Model is null ? PretrainedWeights.Open(Folder!) : new(((TorchCausalModel)Model.Engine).Network, Model.Tokenizer, Model.Companions, checkpoint: null);
}

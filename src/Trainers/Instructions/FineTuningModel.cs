namespace MLNet.Gpt;

/// <summary>What fine-tuning trains, with what its checkpoints hold beside the weights.</summary>
/// <param name="trained">The weights, or the adapter.</param>
/// <param name="tokenizer">Goes into checkpoints.</param>
/// <param name="chatTemplate">Goes into checkpoints; null for none.</param>
/// <param name="baseModel">The base's folder, for adapters; null where it is not known.</param>
internal sealed class FineTuningModel(FineTuningNetwork trained, GptTokenizer tokenizer, ChatTemplate? chatTemplate, string? baseModel) : ITrainedModel
{
    public GptNetwork Network => trained.Network;

    public IReadOnlyList<FlatParameters> Sets => trained.Sets;

    public void Write(string folder, Action<string> addFiles) => trained.Write(folder, tokenizer, chatTemplate, baseModel, addFiles);

    public void Read(string folder) => trained.Read(folder);
}

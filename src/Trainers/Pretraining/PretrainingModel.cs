namespace MLNet.Gpt;

/// <summary>What pretraining trains: all weights of a network, kept as a checkpoint folder with its tokenizer. The network stays the caller's.</summary>
internal sealed class PretrainingModel(GptNetwork network, GptTokenizer? tokenizer) : ITrainedModel
{
    public GptNetwork Network => network;

    public IReadOnlyList<FlatParameters> Sets { get; } = [network.Parameters];

    public void Write(string folder, Action<string> addFiles) => GptCheckpoint.Write(folder, network, tokenizer, addFiles: addFiles);

    public void Read(string folder)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder);
        foreach (GptParameterInfo info in network.Parameters.Layout)
        {
            var values = new float[info.ElementCount];
            checkpoint.Read(info.Name, values);
            network.Parameters.Write(info.Name, values);
        }

        network.Parameters.RefreshWorkingCopy();
    }
}

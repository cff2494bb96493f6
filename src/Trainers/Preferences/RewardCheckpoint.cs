using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// A reward model as a checkpoint folder: the network in Hugging Face's GPT-2 layout with its tokenizer and chat template, and in <c>training_state</c> the head's parameters (<c>head.safetensors</c>) and what it is (<c>reward.json</c>).
/// </summary>
internal static class RewardCheckpoint
{
    private const string FileName = "reward.json";

    /// <summary>Writes a checkpoint.</summary>
    public static void Write(string folder, RewardNetwork network, GptTokenizer tokenizer, ChatTemplate? template) =>
        GptCheckpoint.Write(folder, network, tokenizer, chatTemplate: template, addFiles: work => WriteHead(work, network));

    /// <summary>Adds the head to an unfinished checkpoint.</summary>
    public static void WriteHead(string work, RewardNetwork network)
    {
        HeadFile.Write(work, network.Added);
        File.WriteAllBytes(Path.Combine(work, GptCheckpoint.TrainingStateFolder, FileName), Encoding.UTF8.GetBytes(RewardConfigJson.Write(network.Config, network.Head)));
    }

    /// <summary>Opens a checkpoint.</summary>
    /// <exception cref="CheckpointNotFoundException">The folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, or the checkpoint is that of no reward model.</exception>
    public static GptRewardModel Open(string folder, GptDevice device)
    {
        using PretrainedWeights opened = PretrainedWeights.Open(folder);
        string path = Path.Combine(opened.Folder!, GptCheckpoint.TrainingStateFolder, FileName);
        if (!File.Exists(path)) throw new CorruptFileException(path, "it is missing: the checkpoint is not that of a reward model.", "Name a folder that SaveCheckpoint or the run of a reward model wrote, or an ONNX package.");
        (GptConfig config, RewardHead head) = RewardConfigJson.Read(path);
        if (config.VocabularySize != opened.Weights.Config.VocabularySize)
            throw new CorruptFileException(path, $"it is of a vocabulary of {config.VocabularySize}, and the network beside it has {opened.Weights.Config.VocabularySize}.", "Copy the whole checkpoint again.");
        return Owned.Into(GptNetwork.FromWeights(opened.Weights, device, GptPrecision.Float32, trainable: false), body => Owned.Into(new RewardNetwork(body, head, trainable: false), network =>
        {
            HeadFile.Read(opened.Folder!, network.Added);
            return new GptRewardModel(new TorchRewardModel(network, opened.Tokenizer), opened.Tokenizer, head.Conversations ? opened.Companions.TemplateOr(null) : null);
        }));
    }
}

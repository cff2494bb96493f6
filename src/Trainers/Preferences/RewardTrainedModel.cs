namespace MLNet.Gpt;

/// <summary>
/// What a reward model's training changes: a network, an adapter beside it or neither, and the head, with the read-out token's embedding unless that is frozen. A checkpoint is that of the network or
/// adapter, with the rest in <c>training_state</c>, or this alone.
/// </summary>
internal sealed class RewardTrainedModel : ITrainedModel, IDisposable
{
    private readonly FineTuningNetwork _body;
    private readonly PretrainedWeights _pretrained;
    private readonly ChatTemplate? _template;

    private RewardTrainedModel(FineTuningNetwork body, RewardNetwork reward, PretrainedWeights pretrained, ChatTemplate? template)
    {
        (_body, Reward, _pretrained, _template) = (body, reward, pretrained, template);
        Sets = [.. body.Sets, reward.Extra];
    }

    /// <summary>The network and the head.</summary>
    public RewardNetwork Reward { get; }

    public GptNetwork Network => Reward.Network;

    public IReadOnlyList<FlatParameters> Sets { get; }

    /// <summary>Makes what is to be trained.</summary>
    /// <param name="pretrained">The pretrained model.</param>
    /// <param name="template">The chat template that goes with checkpoints; null for none.</param>
    /// <param name="device">Where it trains.</param>
    /// <param name="precision">The number format.</param>
    /// <param name="seed">Seeds the head and an adapter.</param>
    /// <param name="options">Head, dropout, LoRA and what is frozen.</param>
    public static RewardTrainedModel Create(PretrainedWeights pretrained, ChatTemplate? template, GptDevice device, GptPrecision precision, long seed, RewardModelOptions options)
    {
        FineTuningNetwork body = FineTuningNetwork.Create(pretrained.Weights, options.DropoutInUse, device, precision, options.Lora, seed + 2, frozen: options.Freeze != FrozenWeights.None);
        try
        {
            return Owned.Into(new RewardNetwork(body.Network, options.Head, trainable: true, options.Freeze == FrozenWeights.AllButHead), reward =>
            {
                reward.Initialize(seed + 1);
                return new RewardTrainedModel(body, reward, pretrained, template);
            });
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Write(string folder, Action<string> addFiles) => _body.Write(folder, _pretrained.Tokenizer, _template, _pretrained.Folder, work =>
    {
        RewardCheckpoint.WriteHead(work, Reward);
        addFiles(work);
    });

    public void Read(string folder)
    {
        _body.Read(folder);
        HeadFile.Read(folder, Reward.Added);
    }

    public void Dispose() => Reward.Dispose();
}

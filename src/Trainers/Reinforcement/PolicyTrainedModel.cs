namespace MLNet.Gpt;

/// <summary>
/// What policy optimisation trains: the policy, or an adapter beside its frozen weights, and with PPO a value model; and the frozen reference. A checkpoint is that of the policy, with the value model and the rollout
/// under way in <c>training_state</c>.
/// </summary>
internal sealed class PolicyTrainedModel : ITrainedModel, IDisposable
{
    private const string ValueBody = "value.safetensors", ValueHead = "value_head.safetensors";

    private readonly FineTuningNetwork _policy;
    private readonly FlatParameters? _valueBody;
    private readonly PretrainedWeights _pretrained;
    private readonly ChatTemplate? _template;

    private PolicyTrainedModel(FineTuningNetwork policy, GptNetwork reference, RewardNetwork? value, FlatParameters? valueBody, PretrainedWeights pretrained, ChatTemplate? template)
    {
        (_policy, Reference, Value, _valueBody, _pretrained, _template) = (policy, reference, value, valueBody, pretrained, template);
        if (valueBody is not null) (valueBody.StatePrefix, value!.Extra.StatePrefix) = ("value.", "value.");
        Sets = valueBody is null ? policy.Sets : [.. policy.Sets, valueBody, value!.Extra];
    }

    /// <summary>The policy.</summary>
    public GptNetwork Network => _policy.Network;

    /// <summary>What KL is measured from; without gradients.</summary>
    public GptNetwork Reference { get; }

    /// <summary>The value model; null where there is none.</summary>
    public RewardNetwork? Value { get; }

    public IReadOnlyList<FlatParameters> Sets { get; }

    /// <summary>The policy's part of <see cref="Sets"/>.</summary>
    public IReadOnlyList<FlatParameters> PolicySets => _policy.Sets;

    /// <summary>The rollout that the next updates learn from, which goes into checkpoints; null where the next update begins with a new one.</summary>
    public Rollout? Rollout { get; set; }

    /// <summary>The checkpoint's tokenizer.</summary>
    public GptTokenizer Tokenizer => _pretrained.Tokenizer;

    /// <summary>Makes what is to be trained.</summary>
    /// <param name="pretrained">The policy to begin with.</param>
    /// <param name="reference">What KL is measured from; null for the policy to begin with.</param>
    /// <param name="reward">The reward model that the value model begins as; null for the policy with a head that says 0.</param>
    /// <param name="template">The chat template that goes with checkpoints; null for none.</param>
    /// <param name="device">Where it trains.</param>
    /// <param name="precision">The number format.</param>
    /// <param name="seed">Seeds adapters.</param>
    /// <param name="options">Algorithm, dropout and LoRA.</param>
    public static PolicyTrainedModel Create(
        PretrainedWeights pretrained, PretrainedWeights? reference, RewardNetwork? reward, ChatTemplate? template, GptDevice device, GptPrecision precision, long seed, PolicyOptimizationOptions options)
    {
        FineTuningNetwork policy = FineTuningNetwork.Create(pretrained.Weights, options.DropoutInUse, device, precision, options.Lora, seed + 2, pretrained.Companions.With(template));
        GptNetwork? frozen = null, value = null;
        try
        {
            // One copy of the weights serves an adapter's policy and its reference; weights that lie in memory already serve as well.
            frozen = options.Lora is not null ? policy.Network.Share(null) : Frozen((reference ?? pretrained).Weights, policy.Network);
            if (options.Algorithm != PolicyAlgorithm.Ppo) return new(policy, frozen, null, null, pretrained, template);
            value = options.Lora is not null && reward is null ? policy.Network.Share(null)
                : GptNetwork.FromWeights(reward is null ? pretrained.Weights : reward.Network, device, precision, trainable: options.Lora is null);
            FlatParameters body = value.Parameters;
            if (options.Lora is { } lora)
            {
                LoraAdapter adapter = LoraAdapter.Create(value.Config, lora, value.TorchDevice, trainable: true, out body);
                value.Attach(adapter);
                adapter.Initialize(seed + 3);
            }

            value.Dropout = options.DropoutInUse;
            return Owned.Into(new RewardNetwork(value, new RewardHead(), trainable: true), head =>          // says 0 until it is written
            {
                if (reward is not null) head.CopyHeadFrom(reward);                                         // a read-out token of its own has no part in values
                return new PolicyTrainedModel(policy, frozen, head, body, pretrained, template);
            });
        }
        catch
        {
            policy.Dispose();
            frozen?.Dispose();
            value?.Dispose();
            throw;
        }
    }

    /// <summary>The policy as it is now, to use: as <see cref="FineTuningNetwork.ToNetwork"/>.</summary>
    public GptNetwork ToNetwork() => _policy.ToNetwork(_pretrained.Weights);

    public void Write(string folder, Action<string> addFiles) => _policy.Write(folder, _pretrained.Tokenizer, _template, _pretrained.Folder, work =>
    {
        if (_valueBody is not null)
        {
            HeadFile.Write(work, [_valueBody], ValueBody);
            HeadFile.Write(work, [Value!.Extra], ValueHead);
        }

        if (Rollout is { } rollout) RolloutFile.Write(work, rollout);
        addFiles(work);
    });

    public void Read(string folder)
    {
        _policy.Read(folder);
        if (_valueBody is null) return;
        HeadFile.Read(folder, [_valueBody], ValueBody);
        HeadFile.Read(folder, [Value!.Extra], ValueHead);
        foreach (FlatParameters set in Sets) set.RefreshWorkingCopy();
    }

    public void Dispose()
    {
        _policy.Dispose();
        Reference.Dispose();
        Value?.Dispose();
    }

    private static GptNetwork Frozen(IGptWeights weights, GptNetwork like) =>
        weights is GptNetwork { Adapter: null } network && network.Device == like.Device && network.WorkingType == like.WorkingType
            ? network.Share(null)
            : GptNetwork.FromWeights(weights, like.Device, like.Precision, trainable: false);
}

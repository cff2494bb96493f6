namespace MLNet.Gpt;

/// <summary>What the memory and the arithmetic of a training run depend on, beside the rows that it computes at once.</summary>
/// <param name="Config">The network's shape.</param>
/// <param name="Precision">Float32 or BFloat16.</param>
/// <param name="Device">Where it trains.</param>
internal sealed record TrainingMemory(GptConfig Config, GptPrecision Precision, GptDevice Device)
{
    /// <summary>Whether what is trained is averaged.</summary>
    public bool Averaged { get; init; }

    /// <summary>Whether blocks are computed again in the backward pass.</summary>
    public bool Checkpointed { get; init; }

    /// <summary>The dropout of the training.</summary>
    public DropoutOptions Dropout { get; init; } = DropoutOptions.None;

    /// <summary>Whether the network's own weights have no gradient.</summary>
    public bool Frozen { get; init; }

    /// <summary>Whether the blocks' projections have trained weights or adapters, for which the backward pass needs what goes into them. They do by default.</summary>
    public bool ProjectionsTrained { get; init; } = true;

    /// <summary>Whether nothing is trained before the last hidden states, so that no backward pass goes through the network.</summary>
    public bool ForwardOnly { get; init; }

    /// <summary>The trained numbers beside the network's own: an adapter's, a head's.</summary>
    public long OtherParameters { get; init; }

    /// <summary>That of a model in training.</summary>
    public static TrainingMemory Of(ITrainedModel model, RunOptions run) => new(model.Network.Config, model.Network.Precision, model.Network.Device)
    {
        Averaged = run.AverageDecay > 0,
        Checkpointed = run.ActivationCheckpointing,
        Dropout = model.Network.Dropout,
        Frozen = !model.Network.Parameters.IsTrainable,
        ProjectionsTrained = model.Network.IsTrained,
        ForwardOnly = !model.Network.IsTrained && model.Sets.All(static set => set.IsHeadAlone),
        OtherParameters = model.Sets.Where(set => set != model.Network.Parameters).Sum(static set => set.Layout.Sum(static info => info.ElementCount)),
    };

    /// <summary>Bytes that the optimizer and the average will take: nothing of them is touched before the first update.</summary>
    public long StateBytes => (Averaged ? 3 : 2) * 4 * ((Frozen ? 0 : Config.ParameterCount) + OtherParameters);

    /// <summary>The model's own operations in training on a token: the forward pass, and where something in it or before it is trained the backward pass to the hidden states and, where they are trained, to the weights.</summary>
    /// <param name="length">The tokens of its row.</param>
    public double FlopsPerToken(int length) => ForwardOnly ? Config.FlopsPerTokenAt(length) / 3
        : Config.FlopsPerTokenAt(length) - (Frozen ? 2.0 * (Config.ParameterCount - ((long)Config.ContextLength * Config.EmbeddingSize)) : 0);

    /// <summary>What a micro-batch needs.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="length">The tokens of each.</param>
    public MemoryEstimate Estimate(int rows, int length) => MemoryEstimate.Of(this, rows, length);

    /// <summary>The error of a micro-batch that the memory is too small for.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="length">The tokens of each.</param>
    /// <param name="cause">What said so; null where an estimate did.</param>
    /// <param name="available">The bytes that were there; null where they ran out.</param>
    /// <param name="lastCheckpoint">The last good checkpoint, or null.</param>
    public TrainingOutOfMemoryException TooSmall(int rows, int length, Exception? cause, long? available = null, string? lastCheckpoint = null)
    {
        long? requested = null;
        if (cause is not null) OutOfMemory.Is(cause, out requested);
        return new(Device, rows, length, Estimate(rows, length), requested, available, lastCheckpoint, cause);
    }
}

namespace MLNet.Gpt;

/// <summary>
/// What fine-tuning trains: all weights of a network, a LoRA adapter beside frozen ones, or nothing of it, where a head is trained alone. Knows how to keep it on disk: a checkpoint
/// folder, PEFT's, or one with no more than others add.
/// </summary>
internal sealed class FineTuningNetwork : IDisposable
{
    private readonly ModelCompanions _companions;
    private readonly LoraAdapter? _adapter;

    private FineTuningNetwork(GptNetwork network, ModelCompanions companions, LoraAdapter? adapter, IReadOnlyList<FlatParameters> sets)
    {
        Network = network;
        _companions = companions;
        _adapter = adapter;
        Sets = sets;
    }

    /// <summary>The network, the adapter attached.</summary>
    public GptNetwork Network { get; }

    /// <summary>What training changes.</summary>
    public IReadOnlyList<FlatParameters> Sets { get; }

    /// <summary>Copies a pretrained model for training.</summary>
    /// <param name="pretrained">The weights.</param>
    /// <param name="dropout">The dropout of the training.</param>
    /// <param name="device">Where to train.</param>
    /// <param name="precision">The number format; frozen weights are kept in it alone.</param>
    /// <param name="lora">The adapter to train; null trains all weights.</param>
    /// <param name="seed">Seeds the adapter.</param>
    /// <param name="companions">What lies beside the pretrained weights, and goes with the trained ones; null for nothing.</param>
    /// <param name="frozen">Whether all of the weights stay as they are; they are shared with <paramref name="pretrained"/> where that can be. Not with an adapter.</param>
    public static FineTuningNetwork Create(
        IGptWeights pretrained, DropoutOptions dropout, GptDevice device, GptPrecision precision, LoraOptions? lora, long seed, ModelCompanions? companions = null, bool frozen = false)
    {
        GptNetwork network = frozen ? GptNetwork.Frozen(pretrained, device, precision) : GptNetwork.FromWeights(pretrained, device, precision, trainable: lora is null);
        network.Dropout = dropout;
        try
        {
            if (lora is null) return new(network, companions ?? ModelCompanions.None, null, frozen ? [] : [network.Parameters]);
            LoraAdapter adapter = LoraAdapter.Create(pretrained.Config, lora, network.TorchDevice, trainable: true, out FlatParameters parameters);
            network.Attach(adapter);
            adapter.Initialize(seed);
            return new(network, companions ?? ModelCompanions.None, adapter, [parameters]);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>A network with fresh weights, all of which are trained.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="dropout">The dropout of the training, which checkpoints tell of.</param>
    /// <param name="device">Where to train.</param>
    /// <param name="precision">The number format.</param>
    /// <param name="seed">Seeds the weights.</param>
    public static FineTuningNetwork FromScratch(GptConfig config, DropoutOptions dropout, GptDevice device, GptPrecision precision, long seed)
    {
        var network = new GptNetwork(dropout.RecordIn(config), device, seed, precision) { Dropout = dropout };
        return new(network, ModelCompanions.None, null, [network.Parameters]);
    }

    /// <summary>Writes what was trained, with other files beside it.</summary>
    public void Write(string folder, GptTokenizer tokenizer, ChatTemplate? chatTemplate, string? baseModel, Action<string>? addFiles)
    {
        if (_adapter is not null)
        {
            _adapter.Write(folder, baseModel, addFiles);
            return;
        }

        if (Sets.Count == 0)
        {
            HeadFile.WriteAlone(folder, unfinished => addFiles?.Invoke(unfinished));
            return;
        }

        GptCheckpoint.Write(folder, Network, tokenizer, chatTemplate: chatTemplate, addFiles: unfinished =>
        {
            _companions.Save(unfinished);
            addFiles?.Invoke(unfinished);
        });
    }

    /// <summary>Takes what <see cref="Write"/> wrote; the weights that it did not write stay as they are.</summary>
    public void Read(string folder)
    {
        if (Sets.Count == 0) return;
        if (_adapter is not null)
        {
            using LoraCheckpoint adapter = LoraCheckpoint.Open(folder, Network.Config);
            if (!LoraLayout.Of(Network.Config, _adapter.Options).Select(static t => (t.Name, t.ShapeText)).SequenceEqual(adapter.Tensors.Select(static t => (t.Name, t.ShapeText))))
                throw new CorruptFileException(folder, "its adapter has other tensors than the run.", "Begin a new run in another folder.");
            _adapter.Read(adapter);
            return;
        }

        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder);
        foreach (GptParameterInfo info in Network.Parameters.Layout)
        {
            var values = new float[info.ElementCount];
            checkpoint.Read(info.Name, values);
            Network.Parameters.Write(info.Name, values);
        }

        Network.Parameters.RefreshWorkingCopy();
    }

    /// <summary>
    /// A network to use, with the pretrained model's configuration: the trained weights in float32, or a copy of the adapter over the pretrained
    /// ones, which are shared where they are a network on this device and read in float32 where not.
    /// </summary>
    /// <param name="pretrained">The frozen weights, where there is an adapter: a network that can be shared, or where to read them.</param>
    public GptNetwork ToNetwork(IGptWeights pretrained)
    {
        if (_adapter is null) return GptNetwork.FromWeights(Network, Network.Device, GptPrecision.Float32, trainable: false);
        return Owned.Into(LoraAdapter.Create(Network.Config, _adapter.Options, Network.TorchDevice, trainable: false, out FlatParameters parameters), copy =>
        {
            foreach (GptParameterInfo info in parameters.Layout)
            {
                var values = new float[info.ElementCount];
                Sets[0].Read(info.Name, values);
                parameters.Write(info.Name, values);
            }

            return GptNetwork.Attached(pretrained is GptNetwork { Adapter: null } shared && shared.Device == Network.Device ? shared.Share(null)
                : GptNetwork.FromWeights(pretrained, Network.Device, GptPrecision.Float32, trainable: false), copy);
        });
    }

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();
}

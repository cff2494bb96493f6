using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MLNet.Gpt;

/// <summary>
/// A GPT on TorchSharp: GPT-2's and GPT-3's form (pre-norm; Radford et al. 2019, section 2.3; Brown et al. 2020, section 2.1) and
/// GPT-1's (post-norm; Radford et al. 2018, section 4.1), with learned positions, GELU and a tied output head.
/// </summary>
/// <remarks>
/// Symbols: B batch, T time, C channels, H heads, D head size, F feed-forward width, V vocabulary. Not thread-safe while training;
/// several threads may run <see cref="Hidden(Tensor)"/> under <c>no_grad</c> when <see cref="Training"/> is off. Dispose it to free the weights.
/// </remarks>
public sealed class GptNetwork : IGptWeights, IDisposable
{
    private readonly GptLayer[] _layers;
    private readonly LayerNorm? _finalNorm;
    private readonly Dictionary<(long Queries, long Keys, int? Band), Tensor> _masks = [];
    private readonly Lock _maskGate = new();
    private int _disposed;

    /// <summary>Creates a network with the papers' initial weights.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="seed">Seeds the initial weights.</param>
    /// <param name="precision">The number format; Auto chooses by device.</param>
    /// <param name="residualInitializerScale">As <see cref="LanguageModelOptions.ResidualInitializerScale"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The configuration is not valid.</exception>
    /// <exception cref="DeviceUnavailableException">The device isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    public GptNetwork(GptConfig config, GptDevice device, long seed = 0, GptPrecision precision = GptPrecision.Float32, double? residualInitializerScale = null)
        : this(config, device, precision, trainable: true) => GptInitializer.Initialize(Parameters, config, seed, residualInitializerScale);

    private GptNetwork(GptConfig config, GptDevice device, GptPrecision precision, bool trainable)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config.Validate();
        Device = device;
        TorchDevice = TorchRuntime.Open(device);
        WorkingType = PrecisionPolicy.Resolve(precision, device) == GptPrecision.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        Parameters = new FlatParameters(GptParameterLayout.Of(config), TorchDevice, WorkingType, trainable);
        _layers = [.. Enumerable.Range(0, config.LayerCount).Select(index => new GptLayer(Parameters, index, Config.LayerNormEpsilon))];
        if (Config.BlockForm == GptBlockForm.PreNorm) _finalNorm = new(Parameters, "ln_f", Config.LayerNormEpsilon);
    }

    private GptNetwork(GptNetwork origin)
    {
        Config = origin.Config;
        Device = origin.Device;
        TorchDevice = origin.TorchDevice;
        WorkingType = origin.WorkingType;
        Parameters = origin.Parameters.Share();
        _layers = [.. Enumerable.Range(0, Config.LayerCount).Select(index => new GptLayer(Parameters, index, Config.LayerNormEpsilon))];
        if (Config.BlockForm == GptBlockForm.PreNorm) _finalNorm = new(Parameters, "ln_f", Config.LayerNormEpsilon);
    }

    /// <inheritdoc/>
    public GptConfig Config { get; }

    /// <summary>Where the network computes.</summary>
    public GptDevice Device { get; }

    /// <summary>Whether <see cref="Dropout"/> is on. Off at first.</summary>
    public bool Training { get; set; }

    /// <summary>The dropout of the training. None at first, whatever the configuration says that the model was trained with.</summary>
    public DropoutOptions Dropout { get; set; } = DropoutOptions.None;

    /// <summary>The number format that the network computes in.</summary>
    public GptPrecision Precision => WorkingType == ScalarType.BFloat16 ? GptPrecision.BFloat16 : GptPrecision.Float32;

    /// <summary>Whether a backward pass computes the blocks again instead of keeping their inner results. Off at first.</summary>
    internal bool ActivationCheckpointing { get; set; }

    internal Device TorchDevice { get; }

    internal ScalarType WorkingType { get; }

    internal FlatParameters Parameters { get; }

    /// <summary>What is trained beside the frozen weights, or null.</summary>
    internal LoraAdapter? Adapter { get; private set; }

    /// <summary>Whether something of the network may be trained: its weights, or an adapter beside them.</summary>
    internal bool IsTrained => Parameters.IsTrainable || Adapter is not null;

    /// <summary>Whether blocks draw, for dropout.</summary>
    private bool Draws => Training && (Dropout.Attention > 0 || Dropout.Residual > 0 || Adapter?.Options.Dropout > 0);

    /// <summary>(V, C): the token embedding, which is the output head too.</summary>
    internal Tensor TokenEmbedding => Parameters[GptParameterLayout.TokenEmbedding];

    /// <summary>Creates a network with the given weights.</summary>
    /// <param name="weights">Where the weights come from.</param>
    /// <param name="device">Where the network computes.</param>
    /// <param name="precision">The number format; Auto chooses by device.</param>
    /// <param name="trainable">False leaves out the gradients, which take as much memory as the weights.</param>
    /// <exception cref="DeviceUnavailableException">The device isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    public static GptNetwork FromWeights(IGptWeights weights, GptDevice device, GptPrecision precision = GptPrecision.Float32, bool trainable = true)
    {
        ArgumentNullException.ThrowIfNull(weights);
        var network = new GptNetwork(weights.Config, device, precision, trainable);
        try
        {
            foreach (GptParameterInfo info in network.Parameters.Layout)
            {
                var values = new float[info.ElementCount];
                weights.Read(info.Name, values);
                network.Parameters.Write(info.Name, values);
            }

            network.Parameters.RefreshWorkingCopy();
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>With an adapter, the weights that it is merged into: a checkpoint or an ONNX package made of this network needs no adapter.</remarks>
    public void Read(string name, Span<float> destination)
    {
        Parameters.Read(name, destination);
        if (Adapter?.TermOf(name) is not { } term) return;
        using Tensor added = term.ToWeight();
        var values = new float[destination.Length];
        added.CopyFloatsTo(values);
        for (int i = 0; i < values.Length; i++) destination[i] += values[i];
    }

    /// <summary>
    /// A network without gradients and adapter over given weights: over the very same where they are a network's that is like it, else over a copy.
    /// </summary>
    /// <param name="weights">Where the weights come from.</param>
    /// <param name="device">Where the network computes.</param>
    /// <param name="precision">The number format; Auto chooses by device.</param>
    internal static GptNetwork Frozen(IGptWeights weights, GptDevice device, GptPrecision precision) =>
        weights is GptNetwork { IsTrained: false } network && network.Device == device && network.Precision == PrecisionPolicy.Resolve(precision, device) ? network.Share(null)
            : FromWeights(weights, device, precision, trainable: false);

    /// <summary>A network over the same weights, with an adapter of its own or none. The weights go when the last network over them is disposed.</summary>
    /// <param name="adapter">Lies on this network's device. Goes with the new network, also where there comes to be none; null for none.</param>
    internal GptNetwork Share(LoraAdapter? adapter)
    {
        if (adapter is not null) return Owned.Into(adapter, own => Attached(Share(null), own));
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return new GptNetwork(this);
    }

    /// <summary>
    /// What this network computes, with an adapter beside it: over the same weights, or where this network has an adapter itself over a copy that it is merged into, as training
    /// over such a network has it.
    /// </summary>
    /// <param name="adapter">Lies on this network's device. Goes with the new network, also where there comes to be none.</param>
    internal GptNetwork With(LoraAdapter adapter) =>
        Adapter is null ? Share(adapter) : Owned.Into(adapter, own => Attached(FromWeights(this, Device, Precision, trainable: false), own));

    /// <summary>A fresh network with an adapter.</summary>
    internal static GptNetwork Attached(GptNetwork network, LoraAdapter adapter)
    {
        network.Attach(adapter);
        return network;
    }

    /// <summary>Puts an adapter beside the projections. It goes with the network.</summary>
    internal void Attach(LoraAdapter adapter)
    {
        if (Adapter is not null) throw new InvalidOperationException("The network has an adapter already; share its weights with another network for a second one.");
        Adapter = adapter;
        for (int index = 0; index < _layers.Length; index++)
        {
            _layers[index].AttentionIn.Adapter = TermOf(LoraProjections.AttentionIn);
            _layers[index].AttentionOut.Adapter = TermOf(LoraProjections.AttentionOut);
            _layers[index].FeedForwardIn.Adapter = TermOf(LoraProjections.FeedForwardIn);
            _layers[index].FeedForwardOut.Adapter = TermOf(LoraProjections.FeedForwardOut);

            LoraTerm? TermOf(LoraProjections projection) => adapter.TermOf(LoraLayout.WeightOf(index, projection));
        }
    }

    /// <summary>The last hidden states of a batch, final LayerNorm included.</summary>
    /// <param name="tokenIds">(B, T) int64 on the network's device; T at most the context length.</param>
    /// <returns>(B·T, C) float32.</returns>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    public Tensor Hidden(Tensor tokenIds) => Hidden(tokenIds, positionIds: null, mask: null);

    /// <summary>The last hidden states of a batch whose rows may hold several examples each.</summary>
    /// <param name="tokenIds">(B, T) int64 on the network's device; T at most the context length.</param>
    /// <param name="positionIds">(B·T) int64: each token's position in its example; null for 0, 1, … in every row.</param>
    /// <param name="mask">
    /// (B, 1, T, T) of the working type, added to the attention scores: 0 where a query may look, -∞ where it may not; the causal mask comes on
    /// top. Null where each row is one example.
    /// </param>
    /// <returns>(B·T, C) float32.</returns>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    internal Tensor Hidden(Tensor tokenIds, Tensor? positionIds, Tensor? mask)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        using var scope = NewDisposeScope();
        (long b, long t) = (tokenIds.size(0), tokenIds.size(1));
        CheckLength(t);
        Tensor x = HiddenOf(EmbeddingOf(tokenIds), b, t, positionIds, mask);
        GC.KeepAlive(tokenIds);   // the caller may have no dispose scope and no further use for it
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>(B·T, C) float32: the embeddings of tokens, without their positions'.</summary>
    internal Tensor EmbeddingOf(Tensor tokenIds)
    {
        Tensor table = Parameters.Wide(GptParameterLayout.TokenEmbedding), ids = tokenIds.reshape(-1);
        return EmbeddingFunction.Of(table, ids, Parameters.GradientOf(GptParameterLayout.TokenEmbedding));
    }

    /// <summary>The last hidden states that follow from given token embeddings.</summary>
    /// <param name="embedding">(B·T, C) float32, as <see cref="EmbeddingOf"/> gives it.</param>
    /// <param name="b">B.</param>
    /// <param name="t">T.</param>
    /// <param name="positionIds">As for <see cref="Hidden(Tensor, Tensor, Tensor)"/>.</param>
    /// <param name="mask">As for <see cref="Hidden(Tensor, Tensor, Tensor)"/>.</param>
    /// <returns>(B·T, C) float32.</returns>
    internal Tensor HiddenOf(Tensor embedding, long b, long t, Tensor? positionIds = null, Tensor? mask = null)
    {
        using var scope = NewDisposeScope();
        Tensor table = Parameters.Wide(GptParameterLayout.PositionEmbedding);
        Tensor x = positionIds is null
            ? embedding.view(b, t, Config.EmbeddingSize).Plus(table.narrow(0, 0, t)).view(b * t, Config.EmbeddingSize)
            : embedding.Plus(table.index_select(0, positionIds));
        x = Drop(x, Dropout.Embedding);                                                          // (B·T, C)
        bool recorded = is_grad_enabled();
        for (int index = 0; index < _layers.Length; index++)
        {
            Tensor input = x;
            ulong? draws = Draws ? DropoutDraws.NextKey() : null;                                          // a sequence of the block's own, the same when it is computed again
            x = ActivationCheckpointing && recorded ? CheckpointedBlock(input, b, t, index, mask, draws) : DrawnBlock(input, b, t, index, mask, draws);
            if (!recorded) input.Dispose();   // no later use of it: two layers' inputs at most lie side by side, not all
        }

        return FinalNorm(x).MoveToOuterDisposeScope();                                                    // (B·T, C)
    }

    /// <summary>
    /// The last hidden states of new tokens whose predecessors' keys and values are cached.
    /// </summary>
    /// <param name="tokenIds">(B, n) int64.</param>
    /// <param name="positionIds">(B·n) int64: each token's position in its row.</param>
    /// <param name="cache">Holds the predecessors; receives the new keys and values.</param>
    /// <param name="mask">(B, 1, n, past + n), additive, for padded rows; null where none is padded.</param>
    /// <returns>(B·n, C) float32.</returns>
    internal Tensor HiddenWithCache(Tensor tokenIds, Tensor positionIds, KeyValueCache cache, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        long b = tokenIds.size(0), n = tokenIds.size(1);
        Tensor x = Parameters.Wide(GptParameterLayout.TokenEmbedding).index_select(0, tokenIds.reshape(-1))
            .Plus(Parameters.Wide(GptParameterLayout.PositionEmbedding).index_select(0, positionIds));         // (B·n, C)
        for (int index = 0; index < _layers.Length; index++) x = Block(x, b, n, index, cache, mask);
        return FinalNorm(x).MoveToOuterDisposeScope();
    }

    /// <summary>Next-token logits of hidden states through the tied head.</summary>
    /// <param name="hidden">(N, C).</param>
    /// <returns>(N, V), of the working type.</returns>
    public Tensor Logits(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        using var scope = NewDisposeScope();
        Tensor logits = functional.linear(hidden.to(WorkingType), TokenEmbedding);
        GC.KeepAlive(hidden);     // as above
        return logits.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        foreach (Tensor mask in _masks.Values) mask.Dispose();
        _masks.Clear();
        Parameters.Dispose();
        Adapter?.Dispose();
    }

    /// <summary>A block whose inner results are computed again in the backward pass, dropout's draws among them.</summary>
    private Tensor CheckpointedBlock(Tensor x, long b, long t, int index, Tensor? mask, ulong? draws)
    {
        if (Anchor() is not { } anchor) return DrawnBlock(x, b, t, index, mask, draws);
        return CheckpointFunction.Of(x, anchor, input => DrawnBlock(input, b, t, index, mask, draws));

        Tensor? Anchor() => Parameters.IsTrainable ? _layers[index].Norm1.Gain : Adapter?.Anchor ?? (x.requires_grad ? x : null);
    }

    /// <summary>A block with the draws of a key; null where it draws nothing.</summary>
    private Tensor DrawnBlock(Tensor x, long b, long t, int index, Tensor? mask, ulong? draws)
    {
        using DropoutDraws.Sequence? sequence = draws is { } key ? DropoutDraws.Begin(key) : null;
        return Block(x, b, t, index, cache: null, mask);
    }

    /// <summary>One Transformer block. The scope frees what autograd has not saved.</summary>
    private Tensor Block(Tensor x, long b, long t, int index, KeyValueCache? cache, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        GptLayer p = _layers[index];
        if (Config.BlockForm == GptBlockForm.PreNorm)
        {
            x = AddProjection(x, Attention(p.Norm1.Of(x, WorkingType), b, t, index, cache, mask), p.AttentionOut);
            x = AddProjection(x, FeedForward(p.Norm2.Of(x, WorkingType), p), p.FeedForwardOut);
        }
        else
        {
            x = p.Norm1.Of(AddProjection(x, Attention(x.to(WorkingType), b, t, index, cache, mask), p.AttentionOut), ScalarType.Float32);
            x = p.Norm2.Of(AddProjection(x, FeedForward(x.to(WorkingType), p), p.FeedForwardOut), ScalarType.Float32);
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Multi-head causal self-attention before its output projection (Vaswani et al. 2017, equation 1).</summary>
    private Tensor Attention(Tensor x, long b, long t, int index, KeyValueCache? cache, Tensor? mask)
    {
        GptLayer p = _layers[index];
        long h = Config.HeadCount, d = Config.HeadSize;
        Tensor projected = p.AttentionIn.Of(x, Training);                                                  // (B·T, 3C)
        int? band = Config.BandWidthOfLayer(index);
        double dropout = Training ? Dropout.Attention : 0;
        if (cache is null && mask is null && dropout == 0 && x.device_type == DeviceType.CPU)
        {
            if (AttentionKernel.Takes(t, d, band)) return FusedAttentionFunction.Of(projected, b, t, h);
            if (CausalAttentionFunction.IsFaster(WorkingType)) return CausalAttentionFunction.Of(projected, b, t, h, band);
        }

        Tensor[] qkv = projected.view(b, t, 3 * h * d).chunk(3, -1);                                       // 3 of (B, T, C)
        Tensor q = qkv[0].view(b, t, h, d).transpose(1, 2);                                                // (B, H, T, D)
        Tensor k = qkv[1].view(b, t, h, d).transpose(1, 2);
        Tensor v = qkv[2].view(b, t, h, d).transpose(1, 2);
        long past = 0;
        if (cache is not null)
        {
            past = cache.Length;
            (k, v) = cache.Append(index, k, v);                                                            // (B, H, past + T, D)
        }

        if (band >= past + t) band = null;
        bool causal = mask is null && band is null && past == 0, open = t == 1 && band is null;            // one query that sees all keys needs no mask
        Tensor? bias = causal || open ? mask : mask is null ? CausalMask(t, past + t, band) : mask.Plus(CausalMask(t, past + t, band));
        Tensor y = dropout > 0 ? DroppedAttention(q, k, v, bias, dropout, causal) : functional.scaled_dot_product_attention(q, k, v, bias, 0, causal);
        return y.transpose(1, 2).reshape(b * t, h * d);                                                    // (B·T, C)
    }

    private Tensor DroppedAttention(Tensor q, Tensor k, Tensor v, Tensor? mask, double probability, bool causal) =>
        DropoutDraws.Draw(TorchDevice, () => functional.scaled_dot_product_attention(q, k, v, mask, probability, causal));

    private Tensor FeedForward(Tensor x, GptLayer p) =>
        GeluFunction.Of(p.FeedForwardIn.Of(x, Training));                                                 // (B·T, F)

    /// <summary>
    /// x + Dropout(y·W + bias): a block's way back into the residual stream, which is float32. Where nothing comes between, the sum is
    /// part of the product.
    /// </summary>
    private Tensor AddProjection(Tensor x, Tensor y, Projection projection)
    {
        if (Training && Dropout.Residual > 0)
            return x.Plus(Drop(projection.Of(y, Training), Dropout.Residual).to(ScalarType.Float32)); // (B·T, C)

        Tensor sum = WorkingType == ScalarType.Float32 ? LinearFunction.Of(y, projection.Weight, projection.Bias, x)
            : x.Plus(LinearFunction.Of(y, projection.Weight, projection.Bias).to(ScalarType.Float32));         // (B·T, C)

        // An adapter that adds zeros changes no bit of the base's result.
        return projection.Adapter is null ? sum : sum.Plus(projection.Adapter.Of(y, Training).to(ScalarType.Float32));
    }

    private Tensor FinalNorm(Tensor x) =>
        Config.BlockForm == GptBlockForm.PreNorm ? _finalNorm!.Of(x, ScalarType.Float32) : x;

    private Tensor Drop(Tensor x, double probability) =>
        Training && probability > 0 ? DropoutDraws.Draw(TorchDevice, () => functional.dropout(x, probability, training: true)) : x;

    /// <summary>
    /// (queries, keys), 0 where a query may look and -∞ where not: query i stands at position keys - queries + i and sees itself and
    /// the positions before it, at most <paramref name="band"/> in all. The caller's: another thread may have the kept one disposed.
    /// </summary>
    internal Tensor CausalMask(long queries, long keys, int? band)
    {
        lock (_maskGate)
        {
            if (_masks.TryGetValue((queries, keys, band), out Tensor? known)) return known.alias();
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            Tensor row = TensorArithmetic.Integers(keys - queries, keys, TorchDevice).unsqueeze(1);        // (queries, 1)
            Tensor column = TensorArithmetic.Integers(0, keys, TorchDevice).unsqueeze(0);                  // (1, keys)
            Tensor hidden = column.gt(row);
            if (band is { } width) hidden = hidden.logical_or(column.le(row.Minus(width)));
            Tensor mask = zeros(queries, keys, WorkingType, TorchDevice).Fill(hidden, double.NegativeInfinity);
            if (_masks.Count >= 64)
            {
                // A decoder with a band meets a new length at each token: keep the table small.
                foreach (Tensor old in _masks.Values) old.Dispose();
                _masks.Clear();
            }

            _masks.Add((queries, keys, band), mask.DetachFromDisposeScope());
            return mask.alias().MoveToOuterDisposeScope();
        }
    }

    private void CheckLength(long t)
    {
        if (t > Config.ContextLength)
            throw new PromptTooLongException((int)t, Config.ContextLength, "Shorten the input, or train a model with a longer context.");
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// All parameters of a network in one buffer, and all gradients in another, so that an optimizer step, clipping and zeroing are a
/// handful of operations. Each named parameter is a leaf that views its part of the buffer, and its <c>grad</c> views its part of
/// the gradient buffer: a backward pass accumulates in place.
/// </summary>
/// <remarks>
/// Matrices come first, by their <see cref="GptParameterInfo.Role"/>, so that weight decay applies to one range; LayerNorm's parameters come last, because they
/// have no bfloat16 copy. Each parameter begins at a multiple of <see cref="Alignment"/> elements; the gaps stay zero.
/// </remarks>
internal sealed class FlatParameters : IDisposable
{
    /// <summary>64 bytes of float32: a cache line, and the widest vector register.</summary>
    private const long Alignment = 16;

    private readonly Dictionary<string, Tensor> _wide = [];
    private readonly Dictionary<string, Tensor> _narrow = [];
    private readonly Dictionary<string, Tensor> _gradients = [];
    private readonly long _workingCount;
    private int _owners = 1;
    private readonly Dictionary<string, (long Offset, GptParameterInfo Info)> _places = [];

    /// <summary>Allocates zeroed buffers.</summary>
    /// <param name="layout">The parameters.</param>
    /// <param name="device">Where the buffers lie.</param>
    /// <param name="workingType">float32, or bfloat16 for a working copy beside the float32 master weights.</param>
    /// <param name="trainable">Whether there are gradients.</param>
    public FlatParameters(IReadOnlyList<GptParameterInfo> layout, Device device, ScalarType workingType, bool trainable)
    {
        Layout = layout;
        long offset = 0;
        foreach (GptParameterInfo info in layout.OrderBy(GroupOf))
        {
            if (GroupOf(info) >= 1 && DecayCount == 0) DecayCount = offset;
            if (GroupOf(info) == 2 && _workingCount == 0) _workingCount = offset;
            _places.Add(info.Name, (offset, info));
            offset += (info.ElementCount + Alignment - 1) / Alignment * Alignment;
        }

        if (layout.All(static info => GroupOf(info) == 0)) DecayCount = offset;
        if (layout.All(static info => GroupOf(info) < 2)) _workingCount = offset;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Master = zeros(offset, ScalarType.Float32, device);
        bool copy = workingType != ScalarType.Float32;
        Working = copy ? zeros(_workingCount, workingType, device) : Master;
        GradientSum = zeros(trainable ? offset : 0, ScalarType.Float32, device);
        Gradient = copy ? zeros(trainable ? _workingCount : 0, workingType, device) : GradientSum;
        foreach (GptParameterInfo info in layout)
        {
            _wide.Add(info.Name, Leaf(Master, GradientSum, info.Name));
            _narrow.Add(info.Name, copy && GroupOf(info) < 2 ? Leaf(Working, Gradient, info.Name) : _wide[info.Name]);
            if (trainable) _gradients.Add(info.Name, ViewOf(GradientSum, info.Name));
        }

        // All is there: what would not have fitted has left nothing behind.
        foreach (Tensor kept in (Tensor[])[Master, Working, GradientSum, Gradient, .. _wide.Values, .. _narrow.Values, .. _gradients.Values]) kept.DetachFromDisposeScope();

        Tensor Leaf(Tensor values, Tensor gradients, string name)
        {
            Tensor leaf = ViewOf(values, name);
            if (trainable)
            {
                leaf.requires_grad_();
                leaf.grad = ViewOf(gradients, name);
            }

            return leaf;
        }
    }

    /// <summary>What a head adds to a network, float32.</summary>
    /// <param name="layout">The head's parameters.</param>
    /// <param name="device">Where the buffers lie.</param>
    /// <param name="trainable">Whether they have gradients.</param>
    /// <param name="frozenTokens">Whether the embeddings of the head's own tokens have none all the same.</param>
    /// <returns>The set, and another of the embeddings where they are frozen and there are any.</returns>
    public static (FlatParameters Head, FlatParameters? FrozenTokens) OfHead(IReadOnlyList<GptParameterInfo> layout, Device device, bool trainable, bool frozenTokens)
    {
        ILookup<bool, GptParameterInfo> parts = layout.ToLookup(info => frozenTokens && info.Role == GptParameterRole.TaskTokenEmbedding);
        return Owned.Into(new FlatParameters([.. parts[false]], device, ScalarType.Float32, trainable),
            head => (head, parts[true].Any() ? new FlatParameters([.. parts[true]], device, ScalarType.Float32, trainable: false) : null));
    }

    /// <summary>Whether there are gradients.</summary>
    public bool IsTrainable => _gradients.Count > 0;

    /// <summary>Whether these are a head's linear map, which stands behind the last hidden states.</summary>
    public bool IsHeadAlone => Layout.All(static info => info.Role is GptParameterRole.HeadWeight or GptParameterRole.HeadBias);

    /// <summary>What stands before the parameters' names in a run's state, where two networks are trained whose names are the same. Empty by default.</summary>
    public string StatePrefix { get; set; } = "";

    /// <summary>The parameters in the order of the forward pass.</summary>
    public IReadOnlyList<GptParameterInfo> Layout { get; }

    /// <summary>(N) float32: the weights that the optimizer updates.</summary>
    public Tensor Master { get; }

    /// <summary>What matrix products compute with: <see cref="Master"/> itself, or a bfloat16 copy of all but LayerNorm's parameters.</summary>
    public Tensor Working { get; }

    /// <summary>
    /// The gradient of <see cref="Working"/>, of its type and length: <see cref="GradientSum"/> itself in float32. Empty where the network is not
    /// trainable.
    /// </summary>
    public Tensor Gradient { get; }

    /// <summary>
    /// (N) float32: the gradient of <see cref="Master"/>, summed over the micro-batches of the step: <see cref="Gradient"/> itself, or where
    /// that is bfloat16 the sum that <see cref="CollectGradient"/> keeps.
    /// </summary>
    public Tensor GradientSum { get; }

    /// <summary>The elements at the front of the buffers that weight decay applies to.</summary>
    public long DecayCount { get; }

    /// <summary>The parameter of that name as matrix products take it: a leaf that views the working buffer.</summary>
    public Tensor this[string name] => _narrow[name];

    /// <summary>The parameter of that name in float32: a leaf that views the master weights.</summary>
    public Tensor Wide(string name) => _wide[name];

    /// <summary>A view of that parameter's part of <see cref="GradientSum"/>; null where the parameters are frozen.</summary>
    public Tensor? GradientOf(string name) => _gradients.GetValueOrDefault(name);

    /// <summary>Refreshes the working copy from the master weights: one cast, or nothing where they are the same.</summary>
    public void RefreshWorkingCopy()
    {
        if (ReferenceEquals(Master, Working)) return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Working.copy_(Master.narrow(0, 0, _workingCount));
    }

    /// <summary>After a micro-batch: adds to the float32 sum what the backward pass left in bfloat16, and clears that. Nothing to do in float32.</summary>
    public void CollectGradient()
    {
        if (ReferenceEquals(Master, Working)) return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        GradientSum.narrow(0, 0, _workingCount).PlusInPlace(Gradient.to(ScalarType.Float32)); // a sum of two types is many times slower
        Gradient.zero_();
    }

    /// <summary>Sets the gradient to zero, in place.</summary>
    public void ZeroGradient()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        GradientSum.zero_();
        if (!ReferenceEquals(Gradient, GradientSum)) Gradient.zero_();
    }

    /// <summary>A view of one parameter's part of a buffer of this layout.</summary>
    public Tensor ViewOf(Tensor flat, string name)
    {
        (long offset, GptParameterInfo info) = _places[name];
        return flat.narrow(0, offset, info.ElementCount).view([.. info.Shape]);
    }

    /// <summary>Copies a parameter out of the master weights.</summary>
    /// <exception cref="ArgumentException">The name is unknown or the destination's length is not the parameter's.</exception>
    public void Read(string name, Span<float> destination)
    {
        CheckLength(name, destination.Length);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        ViewOf(Master, name).CopyFloatsTo(destination);
    }

    /// <summary>Copies a parameter into the master weights; call <see cref="RefreshWorkingCopy"/> after the last one.</summary>
    /// <exception cref="ArgumentException">The name is unknown or the source's length is not the parameter's.</exception>
    public void Write(string name, float[] source)
    {
        CheckLength(name, source.Length);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        ViewOf(Master, name).copy_(tensor(source).view([.. _places[name].Info.Shape]));
    }

    /// <summary>Gives the buffers another owner: they go when the last one has disposed them.</summary>
    public FlatParameters Share()
    {
        Interlocked.Increment(ref _owners);
        return this;
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _owners) > 0) return;
        foreach (Tensor view in _wide.Values.Concat(_narrow.Values).Distinct(ReferenceEqualityComparer.Instance).Cast<Tensor>())
        {
            view.grad?.Dispose();
            view.Dispose();
        }

        foreach (Tensor gradient in _gradients.Values) gradient.Dispose();

        Gradient.Dispose();
        if (!ReferenceEquals(Gradient, GradientSum)) GradientSum.Dispose();
        if (!ReferenceEquals(Master, Working)) Working.Dispose();
        Master.Dispose();
    }

    /// <summary>0: matrices, which decay; 1: biases; 2: LayerNorm's.</summary>
    private static int GroupOf(GptParameterInfo info) => info.Role switch
    {
        GptParameterRole.TokenEmbedding or GptParameterRole.PositionEmbedding or GptParameterRole.Projection or GptParameterRole.ResidualProjection => 0,
        GptParameterRole.TaskTokenEmbedding or GptParameterRole.HeadWeight or GptParameterRole.AdapterIn or GptParameterRole.AdapterOut => 0,
        GptParameterRole.ProjectionBias or GptParameterRole.HeadBias => 1,
        GptParameterRole.LayerNormGain or GptParameterRole.LayerNormBias => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(info), info.Role, $"Parameter '{info.Name}' has the role {info.Role}, of which it is not known whether it decays."),
    };

    private void CheckLength(string name, int length)
    {
        if (!_places.TryGetValue(name, out var place)) throw new ArgumentException($"There is no parameter '{name}'.", nameof(name));
        if (place.Info.ElementCount != length)
            throw new ArgumentException($"Parameter '{name}' is {place.Info.ShapeText}, {place.Info.ElementCount} elements; the buffer holds {length}.", nameof(length));
    }
}

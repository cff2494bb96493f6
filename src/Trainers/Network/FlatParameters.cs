using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// All parameters of a network in one buffer, and all gradients in another, so that an optimizer step, clipping and zeroing are a
/// handful of operations. Each named parameter is a leaf that views its part of the buffer, and its <c>grad</c> views its part of
/// the gradient buffer: a backward pass accumulates in place.
/// </summary>
/// <remarks>
/// Tensors of two or more dimensions come first, so that weight decay applies to one range. Each parameter begins at a multiple
/// of <see cref="Alignment"/> elements; the gaps stay zero.
/// </remarks>
internal sealed class FlatParameters : IDisposable
{
    /// <summary>64 bytes of float32: a cache line, and the widest vector register.</summary>
    private const long Alignment = 16;

    private readonly Dictionary<string, Tensor> _views = [];
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
        foreach (GptParameterInfo info in layout.Where(static p => p.Shape.Count >= 2).Concat(layout.Where(static p => p.Shape.Count < 2)))
        {
            if (info.Shape.Count < 2 && DecayCount == 0) DecayCount = offset;
            _places.Add(info.Name, (offset, info));
            offset += (info.ElementCount + Alignment - 1) / Alignment * Alignment;
        }

        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Master = zeros(offset, ScalarType.Float32, device).DetachFromDisposeScope();
        Working = workingType == ScalarType.Float32 ? Master : zeros(offset, workingType, device).DetachFromDisposeScope();
        long gradients = trainable ? offset : 0;
        Gradient = zeros(gradients, workingType, device).DetachFromDisposeScope();
        GradientSum = workingType == ScalarType.Float32 ? Gradient : zeros(gradients, ScalarType.Float32, device).DetachFromDisposeScope();
        foreach (GptParameterInfo info in layout)
        {
            Tensor parameter = ViewOf(Working, info.Name);
            if (trainable)
            {
                parameter.requires_grad_();
                parameter.grad = ViewOf(Gradient, info.Name);
            }

            _views.Add(info.Name, parameter.DetachFromDisposeScope());
        }
    }

    /// <summary>The parameters in the order of the forward pass.</summary>
    public IReadOnlyList<GptParameterInfo> Layout { get; }

    /// <summary>(N) float32: the weights that the optimizer updates.</summary>
    public Tensor Master { get; }

    /// <summary>(N): the weights that the network computes with: <see cref="Master"/> itself, or its bfloat16 copy.</summary>
    public Tensor Working { get; }

    /// <summary>(N), of the working type: what backward passes accumulate into. Empty where the network is not trainable.</summary>
    public Tensor Gradient { get; }

    /// <summary>
    /// (N) float32: the gradient of the step, summed over its micro-batches: <see cref="Gradient"/> itself, or where that is bfloat16
    /// the sum that <see cref="CollectGradient"/> keeps.
    /// </summary>
    public Tensor GradientSum { get; }

    /// <summary>The elements at the front of the buffers that weight decay applies to.</summary>
    public long DecayCount { get; }

    /// <summary>The parameter of that name: a leaf that views the working buffer.</summary>
    public Tensor this[string name] => _views[name];

    /// <summary>Refreshes the working copy from the master weights: one cast, or nothing where they are the same.</summary>
    public void RefreshWorkingCopy()
    {
        if (ReferenceEquals(Master, Working)) return;
        using var noGradient = no_grad();
        Working.copy_(Master);
    }

    /// <summary>After a micro-batch: adds a bfloat16 gradient to the float32 sum and clears it. Nothing to do in float32.</summary>
    public void CollectGradient()
    {
        if (ReferenceEquals(Gradient, GradientSum)) return;
        using var noGradient = no_grad();
        GradientSum.add_(Gradient);
        Gradient.zero_();
    }

    /// <summary>Sets the gradient to zero, in place.</summary>
    public void ZeroGradient()
    {
        using var noGradient = no_grad();
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

    public void Dispose()
    {
        foreach (Tensor view in _views.Values)
        {
            view.grad?.Dispose();
            view.Dispose();
        }

        Gradient.Dispose();
        if (!ReferenceEquals(Gradient, GradientSum)) GradientSum.Dispose();
        if (!ReferenceEquals(Master, Working)) Working.Dispose();
        Master.Dispose();
    }

    private void CheckLength(string name, int length)
    {
        if (!_places.TryGetValue(name, out var place)) throw new ArgumentException($"There is no parameter '{name}'.", nameof(name));
        if (place.Info.ElementCount != length)
            throw new ArgumentException($"Parameter '{name}' is {place.Info.ShapeText}, {place.Info.ElementCount} elements; the buffer holds {length}.", nameof(length));
    }
}

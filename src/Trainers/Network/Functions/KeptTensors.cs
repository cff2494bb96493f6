using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What a function's backward pass reads. It frees them as soon as it has: what is given to <c>save_for_backward</c> lives until TorchSharp's node goes, and
/// that is when the whole graph goes, so that none of a step's activations would be free before its last gradient is there. Where there is no backward pass
/// the garbage collector frees them.
/// </summary>
internal sealed class KeptTensors : IDisposable
{
    private readonly List<Tensor> _tensors = [];

    /// <summary>Keeps other references to the numbers of some tensors, without their autograd graphs.</summary>
    public static KeptTensors Of(params ReadOnlySpan<Tensor> tensors)
    {
        var kept = new KeptTensors();
        foreach (Tensor tensor in tensors) kept.Add(tensor.detach());
        return kept;
    }

    public Tensor this[int index] => _tensors[index];

    /// <summary>Takes a tensor over.</summary>
    public void Add(Tensor tensor) => _tensors.Add(tensor.DetachFromDisposeScope());

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors) tensor.Dispose();
    }
}

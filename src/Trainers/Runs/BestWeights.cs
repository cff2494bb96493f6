using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A copy of the master weights at the best evaluation, in ordinary memory.</summary>
internal sealed class BestWeights : IDisposable
{
    private Tensor? _copy;

    /// <summary>Whether weights were kept.</summary>
    public bool HasAny => _copy is not null;

    /// <summary>Copies the network's weights.</summary>
    public void Keep(GptNetwork network)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _copy ??= empty_like(network.Parameters.Master, device: CPU).DetachFromDisposeScope();
        _copy.copy_(network.Parameters.Master);
    }

    /// <summary>Takes the weights of a checkpoint, where there is one: a resumed run must not forget an earlier best.</summary>
    public void Load(GptNetwork network, string checkpoint)
    {
        AtomicFolder.Recover(checkpoint);
        if (!Directory.Exists(checkpoint)) return;
        using GptCheckpoint weights = GptCheckpoint.Open(checkpoint);
        using GptNetwork holder = GptNetwork.FromWeights(weights, GptDevice.Cpu);
        Keep(holder);
    }

    /// <summary>Puts the kept weights into the network; does nothing where none were kept.</summary>
    public void Restore(GptNetwork network)
    {
        if (_copy is null) return;
        using var noGradient = no_grad();
        network.Parameters.Master.copy_(_copy);
        network.Parameters.RefreshWorkingCopy();
    }

    public void Dispose() => _copy?.Dispose();
}

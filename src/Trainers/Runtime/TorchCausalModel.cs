using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A <see cref="GptNetwork"/> as the engine of generation and scoring.</summary>
/// <remarks>Several threads may decode at once; the network must not be training meanwhile. Owns the network. Disposing
/// the model meanwhile is safe: the weights stay until the last call has ended and the last decoder has been disposed.</remarks>
public sealed class TorchCausalModel : IHiddenStateModel, IOnnxExportable
{
    private readonly NativeLifetime _lifetime;

    /// <summary>Takes over a network.</summary>
    /// <param name="network">The network; disposed with this model.</param>
    public TorchCausalModel(GptNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        Network = network;
        _lifetime = new NativeLifetime(this, network.Dispose);
    }

    /// <summary>The network.</summary>
    public GptNetwork Network { get; }

    /// <inheritdoc/>
    public GptConfig Config => Network.Config;

    /// <inheritdoc/>
    public GptDevice Device => Network.Device;

    /// <inheritdoc/>
    public ICausalDecoder BeginDecoding(int rowCount, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        NativeLease lease = _lifetime.Acquire(); // the decoder's, until it is disposed
        try
        {
            return new TorchCausalDecoder(Network, lease, rowCount, capacity);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden)
    {
        using NativeLease lease = _lifetime.Acquire();
        int t = HiddenStateChecks.Validate(Config, tokenIds, rowCount, hidden);
        var ids = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = tokenIds[i];
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        Network.Hidden(tensor(ids, device: Network.TorchDevice).view(rowCount, t)).CopyFloatsTo(hidden); // sync: the caller's numbers
    }

    /// <inheritdoc/>
    public void WriteOnnxPackage(string folder)
    {
        using NativeLease lease = _lifetime.Acquire();
        OnnxExporter.Write(Network, folder);
    }

    /// <summary>Frees the weights: at once, or when the last call has ended and the last decoder has been disposed. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Keeps the network alive while something other than a decoder reads it.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal NativeLease Acquire() => _lifetime.Acquire();
}

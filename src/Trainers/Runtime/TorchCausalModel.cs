using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A <see cref="GptNetwork"/> as the engine of generation and scoring.</summary>
/// <remarks>Several threads may decode at once; the network must not be training meanwhile. Owns the network.</remarks>
public sealed class TorchCausalModel : IHiddenStateModel
{
    /// <summary>Takes over a network.</summary>
    /// <param name="network">The network; disposed with this model.</param>
    public TorchCausalModel(GptNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        Network = network;
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
        return new TorchCausalDecoder(Network, rowCount, capacity);
    }

    /// <inheritdoc/>
    public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden)
    {
        int t = HiddenStateChecks.Validate(Config, tokenIds, rowCount, hidden);
        var ids = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = tokenIds[i];
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        Network.Hidden(tensor(ids, device: Network.TorchDevice).view(rowCount, t)).CopyFloatsTo(hidden); // sync: the caller's numbers
    }

    /// <inheritdoc/>
    public void WriteOnnxPackage(string folder) => OnnxExporter.Write(Network, folder);

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();
}

using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A <see cref="GptNetwork"/> as the engine of generation and scoring.</summary>
/// <remarks>Several threads may decode at once; the network must not be training meanwhile. Owns the network. Disposing
/// the model meanwhile is safe: the weights stay until the last call has ended and the last decoder has been disposed.</remarks>
public sealed class TorchCausalModel : IHiddenStateModel, IResumableModel, IOnnxExportable
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

    /// <summary>
    /// About how many floating-point operations are computed in one piece, between two looks at whether the call has been cancelled: some tenths of a second on two cores of a CPU. Longer rows are
    /// computed in pieces of fewer positions, over the keys and values of those before.
    /// </summary>
    internal double OperationsAtOnce { get; init; } = double.NaN;

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
            return new TorchCausalDecoder(this, lease, rowCount, capacity, PositionsAtOnce(rowCount));
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ISavableDecoder ResumeDecoding(Stream source, int capacity)
    {
        using NativeLease lease = _lifetime.Acquire();
        DecoderStateForm form = StateForm();
        DecoderStateFile state = DecoderStateFile.Open(source, form, Config.ContextLength, capacity);
        foreach (DecoderStateRow row in state.Rows) state.RequireAdapter(row, isLoaded: false);
        return state.Into((TorchCausalDecoder)BeginDecoding(state.Rows.Count, capacity), decoder => decoder.Take(state));
    }

    /// <inheritdoc/>
    public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        int t = HiddenStateChecks.Validate(Config, tokenIds, rowCount, hidden), c = Config.EmbeddingSize, most = PositionsAtOnce(rowCount);
        cancellationToken.ThrowIfCancellationRequested();
        var ids = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = tokenIds[i];
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor all = tensor(ids, device: Network.TorchDevice).view(rowCount, t);
        if (t <= most)
        {
            Network.Hidden(all).CopyFloatsTo(hidden);                                                     // (B·T, C)
            return;
        }

        using var cache = new KeyValueCache(Config, rowCount, t, Network.TorchDevice, Network.WorkingType);
        float[] part = new float[rowCount * most * c];
        for (int start = 0; start < t; start += most)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var piece = NewDisposeScope();
            int n = Math.Min(most, t - start);
            Tensor positions = TensorArithmetic.Integers(start, start + n, Network.TorchDevice).repeat(rowCount);  // (B·n)
            Network.HiddenWithCache(all.narrow(1, start, n), positions, cache, mask: null).CopyFloatsTo(part.AsSpan(0, rowCount * n * c)); // (B·n, C)
            cache.Advance(n);
            for (int row = 0; row < rowCount; row++) part.AsSpan(row * n * c, n * c).CopyTo(hidden[(((row * t) + start) * c)..]);
        }
    }

    /// <inheritdoc/>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        using NativeLease lease = _lifetime.Acquire();
        OnnxExporter.Write(Network, folder, options);
    }

    /// <summary>Frees the weights: at once, or when the last call has ended and the last decoder has been disposed. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Keeps the network alive while something other than a decoder reads it.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal NativeLease Acquire() => _lifetime.Acquire();

    /// <summary>What a saved state must have in common with this model. Reads all weights, which may have been trained since.</summary>
    internal DecoderStateForm StateForm()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(GptConfigJson.Write(Config)));
        if (Network.Adapter is { } adapter) hash.AppendData(Encoding.UTF8.GetBytes(adapter.Options.ToString())); // beside the weights, not merged into them: other sums
        foreach (GptParameterInfo info in GptParameterLayout.Of(Config))
        {
            float[] values = new float[info.ElementCount];
            Network.Read(info.Name, values);
            NumberBytes.AppendTo<float>(hash, values);
        }

        return new(Network.WorkingType == ScalarType.BFloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32, Config.LayerCount, Config.HeadCount, Config.HeadSize, hash.GetHashAndReset());
    }

    private int PositionsAtOnce(int rowCount)
    {
        double operations = double.IsNaN(OperationsAtOnce) ? Device.IsCuda ? 1e13 : 2.5e10 : OperationsAtOnce;
        return (int)Math.Clamp(operations / (Config.FlopsPerToken / 3 * rowCount), 1, int.MaxValue); // a forward pass is a third of forward and backward
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A reward model on TorchSharp, float32. Owns its network.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. Disposing the model meanwhile is safe: the weights stay until the last call has ended.</remarks>
public sealed class TorchRewardModel : IRewardModel, IOnnxExportable, IRewardWeights
{
    private readonly NativeLifetime _lifetime;
    private readonly string _tokenizerHash;
    private readonly int _endOfTextId;

    /// <param name="network">The network; owned by the model from now on.</param>
    /// <param name="tokenizer">The tokenizer that it was trained with, whose hash goes into packages.</param>
    internal TorchRewardModel(RewardNetwork network, GptTokenizer tokenizer)
    {
        Network = network;
        (_tokenizerHash, _endOfTextId) = (tokenizer.Hash, tokenizer.EndOfTextId);
        _lifetime = new NativeLifetime(this, network.Dispose);
    }

    /// <inheritdoc/>
    public GptConfig Config => Network.Config;

    /// <inheritdoc/>
    public RewardHead Head => Network.Head;

    /// <inheritdoc/>
    public GptDevice Device => Network.Network.Device;

    internal RewardNetwork Network { get; }

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> rewards, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        int t = RewardModelChecks.Validate(this, tokenIds, lengths, rewards);
        var sequences = new int[lengths.Length][];
        for (int row = 0; row < sequences.Length; row++) sequences[row] = tokenIds.Slice(row * t, lengths[row]).ToArray();

        // Some tenths of a second of work on two cores of a CPU at once, a row at least, between two looks at whether the call has been cancelled.
        int most = (int)Math.Clamp((Device.IsCuda ? 1e13 : 2.5e10) / (Config.FlopsPerToken / 3 * t), 1, sequences.Length);
        int done = 0;
        foreach (int[][] part in sequences.Chunk(most))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            Network.Rewards(new RewardBatch(part, Config, Network.Network.TorchDevice)).CopyFloatsTo(rewards.Slice(done, part.Length));
            done += part.Length;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public void Read(string name, Span<float> destination)
    {
        using NativeLease lease = _lifetime.Acquire();
        Network.Read(name, destination);
    }

    /// <inheritdoc/>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        using NativeLease lease = _lifetime.Acquire();
        options ??= new OnnxExportOptions();
        OnnxExporter.WriteReward(Network, folder, options with { TokenizerHash = options.TokenizerHash ?? _tokenizerHash, EndOfTextId = options.EndOfTextId ?? _endOfTextId });
    }

    /// <summary>Frees the weights: at once, or when the last call has ended. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Keeps the network alive while something else reads it.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal NativeLease Acquire() => _lifetime.Acquire();
}

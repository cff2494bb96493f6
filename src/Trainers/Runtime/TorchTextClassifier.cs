using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A GPT with a task head on TorchSharp, float32. Owns its network.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. Disposing the model meanwhile is safe: the weights stay until the last call has ended.</remarks>
public sealed class TorchTextClassifier : ITextClassifierModel, IOnnxExportable, IClassifierWeights
{
    private readonly TaskNetwork _network;
    private readonly NativeLifetime _lifetime;

    internal TorchTextClassifier(TaskNetwork network)
    {
        _network = network;
        _lifetime = new NativeLifetime(this, network.Dispose);
    }

    /// <inheritdoc/>
    public GptConfig Config => _network.Config;

    /// <inheritdoc/>
    public ClassifierHead Head => _network.Head;

    /// <inheritdoc/>
    public GptDevice Device => _network.Network.Device;

    internal TaskNetwork Network => _network;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        int t = ClassifierModelChecks.Validate(this, tokenIds, lengths, outputs), group = Head.SequencesPerOutput;
        var examples = new TaskExample[lengths.Length / group];
        for (int i = 0; i < examples.Length; i++)
        {
            var sequences = new int[group][];
            for (int s = 0; s < group; s++) sequences[s] = tokenIds.Slice(((i * group) + s) * t, lengths[(i * group) + s]).ToArray();
            examples[i] = new(sequences, 0, 0);
        }

        // Some tenths of a second of work on two cores of a CPU at once, an example at least, between two looks at whether the call has been cancelled.
        int most = (int)Math.Clamp((Device.IsCuda ? 1e13 : 2.5e10) / (Config.FlopsPerToken / 3 * group * t), 1, examples.Length);
        int done = 0;
        foreach (TaskExample[] part in examples.Chunk(most))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            var batch = new TaskBatch(part, Config, _network.Network.TorchDevice, languageModel: false);
            Span<float> found = outputs.Slice(done, part.Length * Head.OutputCount);
            _network.Outputs(_network.States(_network.Hidden(batch), batch), dropout: 0).CopyFloatsTo(found);
            done += found.Length;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public void Read(string name, Span<float> destination)
    {
        using NativeLease lease = _lifetime.Acquire();
        _network.Read(name, destination);
    }

    /// <inheritdoc/>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        using NativeLease lease = _lifetime.Acquire();
        OnnxExporter.WriteClassifier(_network, folder, options);
    }

    /// <summary>Frees the weights: at once, or when the last call has ended. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Keeps the network alive while something else reads it.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal NativeLease Acquire() => _lifetime.Acquire();
}

using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A LoRA adapter in memory: its tensors, which may be a part of a larger trainable set, and the terms that they make.</summary>
internal sealed class LoraAdapter : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly bool _ownsParameters;
    private readonly Dictionary<string, LoraTerm> _terms = [];

    /// <summary>Takes the adapter's tensors from a set.</summary>
    /// <param name="parameters">A float32 set whose layout holds <see cref="LoraLayout"/>'s tensors, among others or alone.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="options">What the adapter is.</param>
    /// <param name="ownsParameters">Whether the set goes with the adapter.</param>
    public LoraAdapter(FlatParameters parameters, GptConfig config, LoraOptions options, bool ownsParameters = false)
    {
        _parameters = parameters;
        _ownsParameters = ownsParameters;
        Config = config;
        Options = options;
        foreach ((string weight, GptParameterInfo a, GptParameterInfo b) in LoraLayout.TermsOf(config, options))
            _terms.Add(weight, new(parameters[a.Name], parameters[b.Name], options));
    }

    /// <summary>The base's shape.</summary>
    public GptConfig Config { get; }

    /// <summary>One of the adapter's tensors: whether it needs gradients, all do.</summary>
    public Tensor Anchor => _parameters.Wide(_parameters.Layout[0].Name);

    /// <summary>What the adapter is.</summary>
    public LoraOptions Options { get; }

    /// <summary>A fresh adapter in a set of its own, or one that waits for its numbers.</summary>
    /// <param name="config">The base's shape.</param>
    /// <param name="options">What the adapter is.</param>
    /// <param name="device">Where it lies: where the base does.</param>
    /// <param name="trainable">Whether there are gradients.</param>
    /// <param name="parameters">The set, which goes with the adapter.</param>
    public static LoraAdapter Create(GptConfig config, LoraOptions options, Device device, bool trainable, out FlatParameters parameters)
    {
        parameters = new FlatParameters(LoraLayout.Of(config, options), device, ScalarType.Float32, trainable);
        return Owned.Into(parameters, own => new LoraAdapter(own, config, options, ownsParameters: true));
    }

    /// <summary>An adapter from its folder, to be used, not trained.</summary>
    public static LoraAdapter Load(LoraCheckpoint checkpoint, GptConfig config, Device device)
    {
        return Owned.Into(Create(config, checkpoint.Options, device, trainable: false, out _), adapter =>
        {
            adapter.Read(checkpoint);
            return adapter;
        });
    }

    /// <summary>
    /// The initial numbers: B zero, so that training begins at the base (Hu et al. 2021, section 4.1); A as PEFT draws it, Kaiming-uniform
    /// with a = √5, which is U(-1/√in, 1/√in). Drawn on the CPU, so that a seed gives the same adapter on every device.
    /// </summary>
    public void Initialize(long seed)
    {
        using var noGradient = no_grad();
        using var generator = new Generator((ulong)seed);
        foreach (GptParameterInfo info in LoraLayout.Of(Config, Options))
        {
            using var scope = NewDisposeScope();
            Tensor view = _parameters.ViewOf(_parameters.Master, info.Name);
            if (info.Role == GptParameterRole.AdapterOut)
            {
                view.zero_();
            }
            else
            {
                double bound = 1 / Math.Sqrt(info.Shape[1]);
                view.copy_(rand([.. info.Shape], ScalarType.Float32, generator: generator).TimesInPlace(2 * bound).MinusInPlace(bound));
            }
        }
    }

    /// <summary>Takes all numbers from a folder of the same options.</summary>
    public void Read(LoraCheckpoint checkpoint)
    {
        foreach (GptParameterInfo info in checkpoint.Tensors)
        {
            var values = new float[info.ElementCount];
            checkpoint.Read(info.Name, values);
            _parameters.Write(info.Name, values);
        }
    }

    /// <summary>Writes PEFT's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="baseModel">The base's name or path, or null.</param>
    /// <param name="addFiles">As for <see cref="LoraCheckpoint.Write"/>.</param>
    public void Write(string folder, string? baseModel, Action<string>? addFiles = null) =>
        LoraCheckpoint.Write(folder, Config, Options, (name, values) => _parameters.Read(name, values), baseModel, addFiles);

    /// <summary>The term of a weight, by its name in <see cref="GptParameterLayout"/> ("h.0.attn.c_attn.weight"); null where it is not adapted.</summary>
    public LoraTerm? TermOf(string weight) => _terms.GetValueOrDefault(weight);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsParameters) _parameters.Dispose();
    }
}

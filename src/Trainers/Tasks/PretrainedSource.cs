namespace MLNet.Gpt;

/// <summary>Where a supervised run's network comes from: a model in memory, a checkpoint folder, or nowhere.</summary>
internal sealed class PretrainedSource : IDisposable
{
    private readonly GptCheckpoint? _checkpoint;

    private PretrainedSource(GptConfig config, GptTokenizer tokenizer, IGptWeights? weights, GptCheckpoint? checkpoint)
    {
        Config = config;
        Tokenizer = tokenizer;
        Weights = weights;
        _checkpoint = checkpoint;
    }

    /// <summary>The shape, its dropout as the model has it.</summary>
    public GptConfig Config { get; }

    /// <summary>The model's tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>The pretrained weights; null for a model from scratch.</summary>
    public IGptWeights? Weights { get; }

    /// <summary>Opens what the options name.</summary>
    /// <exception cref="CorruptFileException">The checkpoint can't be read, or has no tokenizer.</exception>
    public static PretrainedSource Open(SupervisedTaskOptions options)
    {
        if (options.Pretrained is { } model) return new(model.Config, model.Tokenizer, ((TorchCausalModel)model.Engine).Network, null);
        if (options.PretrainedFolder is null) return new(options.Model!, options.Tokenizer!, null, null);
        GptCheckpoint checkpoint = GptCheckpoint.Open(options.PretrainedFolder);
        try
        {
            GptTokenizer tokenizer = checkpoint.Tokenizer
                ?? throw new CorruptFileException(options.PretrainedFolder, "it has no tokenizer.", "Put tokenizer.json, or vocab.json and merges.txt, beside the weights.");
            return new(checkpoint.Config, tokenizer, checkpoint, checkpoint);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Makes the network to train.</summary>
    /// <param name="head">The head.</param>
    /// <param name="device">Where it trains.</param>
    /// <param name="seed">Seeds the new weights.</param>
    /// <param name="options">Dropout, precision and LoRA.</param>
    /// <param name="trained">What the optimizer updates.</param>
    public TaskNetwork CreateNetwork(ClassifierHead head, GptDevice device, long seed, SupervisedTaskOptions options, out IReadOnlyList<FlatParameters> trained)
    {
        GptConfig config = options.Dropout is { } dropout ? Config.WithDropout(dropout) : Config;
        (GptNetwork network, IReadOnlyList<FlatParameters> own) = Create();
        try
        {
            var task = new TaskNetwork(network, head, trainable: true);
            task.Initialize(seed + 1);
            trained = [.. own, task.Extra];
            return task;
        }
        catch
        {
            network.Dispose();
            throw;
        }

        (GptNetwork Network, IReadOnlyList<FlatParameters> Own) Create()
        {
            if (Weights is null)
            {
                var fresh = new GptNetwork(config, device, seed, options.Precision);
                return (fresh, [fresh.Parameters]);
            }

            FineTuningNetwork copy = FineTuningNetwork.Create(Weights, config, device, options.Precision, options.Lora, seed + 2);
            return (copy.Network, copy.Sets);
        }
    }

    public void Dispose() => _checkpoint?.Dispose();
}

using System.Globalization;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a run depend on, by name: a run that is resumed must have all of it in common.</summary>
internal sealed class Fingerprint
{
    /// <summary>The kind of a pretraining run.</summary>
    public const string Pretraining = "pretraining";

    /// <summary>The kind of a supervised fine-tuning run.</summary>
    public const string FineTuning = "fine-tuning";

    /// <summary>The kind of a run of policy optimisation.</summary>
    public const string PolicyOptimization = "policy optimization";

    /// <summary>The entry of the micro-batch sizes, which a resumed run takes over where they were searched for.</summary>
    public const string MicroBatchSize = "MicroBatchSize";

    private readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>Begins one.</summary>
    /// <param name="kind">The trainer.</param>
    public Fingerprint(string kind) => Kind = kind;

    /// <summary>The trainer.</summary>
    public string Kind { get; }

    /// <summary>What has been set.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    /// <summary>Sets an entry.</summary>
    public object this[string name]
    {
        set => _values[name] = Convert.ToString(value, CultureInfo.InvariantCulture)!;
    }

    /// <summary>Sets the entries of an optimizer with a cosine schedule.</summary>
    /// <param name="optimizer">Its options.</param>
    /// <param name="decayName">The name of the entry of <see cref="AdamWOptions.DecaySteps"/>.</param>
    /// <param name="decaySteps">What it is where the options leave it open.</param>
    public void Add(AdamWOptions optimizer, string decayName, string decaySteps)
    {
        this["Optimizer.LearningRate"] = optimizer.LearningRate;
        this["Optimizer.MinLearningRate"] = optimizer.MinLearningRate ?? optimizer.LearningRate / 10;
        this["Optimizer.WarmupSteps"] = optimizer.WarmupSteps;
        this[decayName] = optimizer.DecaySteps?.ToString(CultureInfo.InvariantCulture) ?? decaySteps;
        this["Optimizer.Beta1"] = optimizer.Beta1;
        this["Optimizer.Beta2"] = optimizer.Beta2;
        this["Optimizer.Epsilon"] = optimizer.Epsilon;
        this["Optimizer.WeightDecay"] = optimizer.WeightDecay;
        this["Optimizer.GradientClipNorm"] = optimizer.GradientClipNorm;
    }

    /// <summary>Sets the entries of a shape.</summary>
    /// <param name="model">The shape.</param>
    /// <param name="dropout">The dropout of the training.</param>
    public void Add(GptConfig model, DropoutOptions dropout)
    {
        this["Model.VocabularySize"] = model.VocabularySize;
        this["Model.ContextLength"] = model.ContextLength;
        this["Model.EmbeddingSize"] = model.EmbeddingSize;
        this["Model.LayerCount"] = model.LayerCount;
        this["Model.HeadCount"] = model.HeadCount;
        this["Model.FeedForwardSize"] = model.InnerSize;
        this["Model.BlockForm"] = model.BlockForm;
        this["Model.AttentionPattern"] = model.AttentionPattern;
        this["Model.AttentionBandWidth"] = model.AttentionBandWidth;
        this["Model.EmbeddingDropout"] = dropout.Embedding;
        this["Model.AttentionDropout"] = dropout.Attention;
        this["Model.ResidualDropout"] = dropout.Residual;
        this["Model.LayerNormEpsilon"] = model.LayerNormEpsilon;
        this["Model.InitializerRange"] = model.InitializerRange;
    }

    /// <summary>Sets the entries of a pretrained model that is trained.</summary>
    /// <param name="network">What is trained, with its shape, dropout, number format and device.</param>
    /// <param name="pretrained">What it began as.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="atOnce">The micro-batch; null for the whole batch.</param>
    public void Add(GptNetwork network, PretrainedWeights pretrained, long seed, int? atOnce)
    {
        this[MicroBatchSize] = atOnce?.ToString(CultureInfo.InvariantCulture) ?? "all";
        this["Precision"] = network.Precision;
        this["Device"] = network.Device;
        this["Seed"] = seed;
        this["Tokenizer"] = pretrained.Tokenizer.Hash;
        this["Pretrained weights"] = HashOf(pretrained.Weights);
        Add(network.Config, network.Dropout);
    }

    /// <summary>Sets the entry of an adapter.</summary>
    /// <param name="lora">What it is; null for none.</param>
    public void Add(LoraOptions? lora) => this["Lora"] = lora is null ? "none"
        : FormattableString.Invariant($"rank {lora.Rank}, scale {lora.Scale}, dropout {lora.Dropout}, {lora.Projections}, layers {(lora.Layers is null ? "all" : string.Join(' ', lora.Layers.Order()))}");

    /// <summary>Sets the entry of frozen weights; none where all are trained.</summary>
    /// <param name="freeze">Which are frozen.</param>
    public void Add(FrozenWeights freeze)
    {
        if (freeze != FrozenWeights.None) this[FrozenWeightsRules.Option] = freeze;
    }

    /// <summary>Sets the entries of what a run need not have: without it a run is that of a version that did not know it.</summary>
    /// <param name="run">The run's options.</param>
    public void Add(RunOptions run)
    {
        if (run.AverageDecay > 0) this["AverageDecay"] = run.AverageDecay;
        if (run.AllowTf32) this["AllowTf32"] = run.AllowTf32;
        if (run.ActivationCheckpointing) this["ActivationCheckpointing"] = run.ActivationCheckpointing;
    }

    /// <summary>A hash of a file.</summary>
    public static string HashOfFile(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexString(SHA256.HashData(stream));
    }

    /// <summary>A hash of all weights.</summary>
    public static string HashOf(IGptWeights weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (GptParameterInfo info in GptParameterLayout.Of(weights.Config))
        {
            var values = new float[info.ElementCount];
            weights.Read(info.Name, values);
            NumberBytes.AppendTo<float>(hash, values);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}

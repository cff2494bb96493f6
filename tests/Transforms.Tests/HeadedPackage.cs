using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>A tiny language model with heads of every kind over its trunk, and what each head's own package is made of. No two have the same numbers.</summary>
internal sealed class HeadedPackage
{
    private static int _made;

    public HeadedPackage(GptConfig? config = null, OnnxExportOptions? options = null)
    {
        // A width of 32 is a block of a quantized matrix. The epsilon differs, so that a loaded model is not shared with another test's.
        Config = config ?? new GptConfig { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2, LayerNormEpsilon = 1e-5f + (1e-9f * Interlocked.Increment(ref _made)) };
        Trunk = new FormulaWeights(Config);
        Colour = new(Config, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green", "blue"] }, phase: 0.1f);
        Likeness = new(Config, new ClassifierHead { Task = SupervisedTask.SentenceSimilarity, IsRegression = true }, phase: 0.2f);
        Reward = new(Config, new RewardHead(), phase: 0.3f);
        Readout = new(Config, new RewardHead { Readout = RewardReadout.ReadoutToken }, phase: 0.4f);
        Value = new(Config, new RewardHead(), phase: 0.5f);
        Options = (options ?? new OnnxExportOptions()) with { TokenizerHash = TestModels.Letters.Hash, EndOfTextId = TestModels.Letters.EndOfTextId };
    }

    public GptConfig Config { get; }

    public IGptWeights Trunk { get; init; }

    public FormulaClassifier Colour { get; }

    public FormulaClassifier Likeness { get; }

    public FormulaReward Reward { get; }

    public FormulaReward Readout { get; }

    public FormulaReward Value { get; }

    /// <summary>How each package is written.</summary>
    public OnnxExportOptions Options { get; }

    public IReadOnlyList<OnnxHead> Heads =>
    [
        OnnxHead.Classifier("colour", Colour), OnnxHead.Reward("reward", Reward), OnnxHead.Reward("readout", Readout), OnnxHead.Classifier("likeness", Likeness), OnnxHead.Value("value", Value),
        OnnxHead.Embedding("mean"), OnnxHead.Embedding("last", EmbeddingPooling.LastToken, normalize: false),
    ];

    /// <summary>Writes the package of all heads, with its tokenizer.</summary>
    public string Write(TemporaryFolder folder, string name = "heads") => Written(folder[name], path => OnnxExporter.Write(Trunk, path, Options with { Heads = Heads }));

    public string WritePlain(TemporaryFolder folder) => Written(folder["plain"], path => OnnxExporter.Write(Trunk, path, Options));

    public string WriteAlone(TemporaryFolder folder, IClassifierWeights weights) => Written(folder[$"alone {weights.Head.Task}"], path => OnnxExporter.WriteClassifier(weights, path, Options));

    public string WriteAlone(TemporaryFolder folder, IRewardWeights weights) => Written(folder[$"alone {weights.GetHashCode()}"], path => OnnxExporter.WriteReward(weights, path, Options));

    private static string Written(string path, Action<string> write)
    {
        write(path);
        TestModels.Letters.Save(path);
        return path;
    }
}

using System.Text;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>Small models to put into pipelines.</summary>
internal static class TestModels
{
    /// <summary>One token for each letter and a few signs; ids in the order of their code points, then end-of-text.</summary>
    public static GptTokenizer Letters { get; } = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!é"]);

    /// <summary>A model that says what a function says: which text follows a text. It shows what was computed, and for how many rows at once.</summary>
    public static GptModel Saying(Func<string, string> next, out HistoryModel engine, int contextLength = 64)
    {
        engine = new HistoryModel(Letters.VocabularySize, contextLength, history =>
        {
            string text = Letters.Decode(history.Where(id => id != Letters.EndOfTextId));
            float[] logits = new float[Letters.VocabularySize];
            string said = next(text);
            logits[said.Length == 0 ? Letters.EndOfTextId : Letters.Encode(said[..1])[0]] = 30; // e^-30 is left for all others
            return logits;
        });
        return new GptModel(engine, Letters);
    }

    private static int _packages;

    /// <summary>A tiny GPT with a task head and the formula's weights as an ONNX package with its tokenizer.</summary>
    public static string WriteClassifier(TemporaryFolder folder, ClassifierHead? head = null, GptConfig? config = null)
    {
        string path = folder["classifier"];
        var weights = new FormulaClassifier(
            config ?? new GptConfig { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 },
            head ?? new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green", "blue"] });
        OnnxExporter.WriteClassifier(weights, path, new OnnxExportOptions { TokenizerHash = Letters.Hash, EndOfTextId = Letters.EndOfTextId });
        Letters.Save(path);
        return path;
    }

    /// <summary>A tiny reward model with the formula's weights as an ONNX package with its tokenizer.</summary>
    public static string WriteReward(TemporaryFolder folder, RewardHead? head = null)
    {
        string path = folder["reward"];
        var weights = new FormulaReward(new GptConfig { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 }, head ?? new RewardHead());
        OnnxExporter.WriteReward(weights, path, new OnnxExportOptions { TokenizerHash = Letters.Hash, EndOfTextId = Letters.EndOfTextId });
        Letters.Save(path);
        return path;
    }

    /// <summary>Gives the file of a package's weights another name, of as many letters, which the graph names too.</summary>
    /// <returns>The package.</returns>
    public static string RenameWeights(string package, string name)
    {
        const string Own = "model.onnx.data";
        Assert.AreEqual(Own.Length, name.Length);
        if (name == Own) return package;
        string graph = Path.Combine(package, "model.onnx");
        File.WriteAllBytes(graph, Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(File.ReadAllBytes(graph)).Replace(Own, name, StringComparison.Ordinal)));
        File.Move(Path.Combine(package, Own), Path.Combine(package, name));
        return package;
    }

    /// <summary>
    /// A tiny GPT with the formula's weights as an ONNX package with its tokenizer. No two are quite the same, so that a loaded model is not shared with another
    /// test's.
    /// </summary>
    public static string WritePackage(TemporaryFolder folder, bool dataFile = false, WeightFormat weights = WeightFormat.Float32, GptTokenizer? tokenizer = null, LoraProjections adaptable = LoraProjections.None)
    {
        string path = folder["package"];
        tokenizer ??= Letters;
        int width = weights == WeightFormat.Float32 ? 16 : 32; // a block of a quantized matrix is 32 numbers
        var config = new GptConfig { VocabularySize = tokenizer.VocabularySize, ContextLength = 32, EmbeddingSize = width, LayerCount = 2, HeadCount = 2, LayerNormEpsilon = 1e-5f + (1e-9f * Interlocked.Increment(ref _packages)) };
        OnnxExporter.Write(new FormulaWeights(config), path, new OnnxExportOptions
        {
            TokenizerHash = tokenizer.Hash,
            EndOfTextId = tokenizer.EndOfTextId,
            ExternalDataThresholdBytes = dataFile ? 0 : 1 << 30,
            AdaptableProjections = adaptable,
            Weights = weights,
        });
        tokenizer.Save(path);
        return path;
    }
}

using System.Text.Json;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>What tests/reference/text_scores.py computed in float64, and the model that it computed it for.</summary>
internal static class TextScores
{
    /// <summary>float32 over some hundred sums against float64: relative to numbers of size 1 to 100.</summary>
    public const double Tolerance = 2e-4;

    public static JsonElement Root { get; } = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "fixtures", "text_scores.json"))).RootElement;

    public static GptTokenizer Tokenizer { get; } = GptTokenizer.FromCharacters([Root.GetProperty("alphabet").GetString()!]);

    public static GptConfig Config
    {
        get
        {
            JsonElement one = Root.GetProperty("case");
            return new()
            {
                VocabularySize = one.GetProperty("V").GetInt32(), ContextLength = one.GetProperty("T").GetInt32(), EmbeddingSize = one.GetProperty("C").GetInt32(),
                LayerCount = one.GetProperty("L").GetInt32(), HeadCount = one.GetProperty("H").GetInt32(), FeedForwardSize = one.GetProperty("F").GetInt32(),
            };
        }
    }

    /// <summary>The model on ONNX Runtime, from a package in a folder.</summary>
    public static GptModel Open(TemporaryFolder folder)
    {
        string path = folder["scores"];
        OnnxExporter.Write(new FormulaWeights(Config), path, new OnnxExportOptions { TokenizerHash = Tokenizer.Hash, EndOfTextId = Tokenizer.EndOfTextId });
        Tokenizer.Save(path);
        return GptModel.FromOnnx(path, GptDevice.Cpu);
    }

    public static float[] Floats(this JsonElement array) => [.. array.EnumerateArray().Select(static number => number.GetSingle())];

    public static double[] Doubles(this JsonElement array) => [.. array.EnumerateArray().Select(static number => number.GetDouble())];

    public static string[] Texts(this JsonElement array) => [.. array.EnumerateArray().Select(static text => text.GetString()!)];

    public static void AreClose(IReadOnlyList<double> expected, IEnumerable<double> found, string what)
    {
        double[] values = [.. found];
        Assert.HasCount(expected.Count, values, what);
        for (int i = 0; i < values.Length; i++) Assert.AreEqual(expected[i], values[i], Tolerance, $"{what}, {i}");
    }
}

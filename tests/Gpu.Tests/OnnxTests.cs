using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Engine;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Gpu.Tests;

/// <summary>ONNX Runtime on a GPU: every number format, kind of attention and operation on the cache, beside the CPU.</summary>
[TestClass]
[TestCategory("Gpu")]
public sealed class OnnxTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["!abcdefghijklmnopqrst "]);

    /// <summary>Heads of 16, so that the graph asks for a shared buffer where attention is dense.</summary>
    private static readonly GptConfig Config = new() { VocabularySize = Tokenizer.VocabularySize, ContextLength = 48, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, AttentionBandWidth = 3 };

    [TestMethod]
    [DataRow(WeightFormat.Float32, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime, 1e-5)]
    [DataRow(WeightFormat.Float32, GptAttentionPattern.AlternatingDenseAndBanded, GraphOperators.OnnxRuntime, 1e-5)]
    [DataRow(WeightFormat.Float32, GptAttentionPattern.Dense, GraphOperators.Standard, 1e-5)]
    [DataRow(WeightFormat.Float16, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime, 5e-3)]      // 11 bits: 5e-4 a number, over some ten operations
    [DataRow(WeightFormat.Float16, GptAttentionPattern.Dense, GraphOperators.Standard, 5e-3)]
    [DataRow(WeightFormat.BFloat16, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime, 4e-2)]     // 8 bits
    [DataRow(WeightFormat.Int8, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime, 2e-2)]         // the CPU rounds the products' other factor to 8 bits, too
    [DataRow(WeightFormat.Int4, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime, 2e-2)]
    public void A_package_computes_on_the_GPU_what_it_computes_on_the_CPU(WeightFormat weights, GptAttentionPattern attention, GraphOperators operators, double tolerance)
    {
        using var folder = new TemporaryFolder();
        OnnxExportOptions options = new() { Weights = weights, Operators = operators };
        string package = Write(folder["package"], attention, options);
        GptDevice device = Gpu.RequireOnnx(package);

        // The CPU has no operators for bfloat16; float32 stands in for it.
        if (weights == WeightFormat.BFloat16 && !device.IsCuda) Assert.Inconclusive("The CPU has no operators for bfloat16.");
        string reference = weights == WeightFormat.BFloat16 ? Write(folder["reference"], attention, options with { Weights = WeightFormat.Float32 }) : package;
        using OnnxCausalModel cpu = OnnxCausalModel.Load(reference, GptDevice.Cpu), gpu = OnnxCausalModel.Load(package, device);
        using ICausalDecoder one = cpu.BeginDecoding(2, 16), two = gpu.BeginDecoding(2, 16);
        int v = Config.VocabularySize;
        float[] expected = new float[2 * 5 * v], found = new float[2 * 5 * v];
        one.Append([1, 2, 3, 4, 5, 0, 0, 6, 7, 1], [1, 1, 1, 1, 1, 0, 0, 1, 1, 1], LogitsScope.AllPositions, expected);
        two.Append([1, 2, 3, 4, 5, 0, 0, 6, 7, 1], [1, 1, 1, 1, 1, 0, 0, 1, 1, 1], LogitsScope.AllPositions, found);
        expected.AsSpan(5 * v, 2 * v).Clear(); // padding, which means nothing
        found.AsSpan(5 * v, 2 * v).Clear();
        Assert.IsLessThan(tolerance, Gpu.RelativeError(found, expected), "the prompt");
        for (int step = 0; step < 6; step++)
        {
            expected = new float[2 * v];
            found = new float[2 * v];
            one.Append([step, 7 - step], default, LogitsScope.LastPosition, expected);
            two.Append([step, 7 - step], default, LogitsScope.LastPosition, found);
            Assert.IsLessThan(tolerance, Gpu.RelativeError(found, expected), $"step {step}");
        }

        float[] hidden = new float[2 * 3 * Config.EmbeddingSize], expectedHidden = new float[hidden.Length];
        cpu.ComputeHiddenStates([1, 2, 3, 4, 5, 6], 2, expectedHidden);
        gpu.ComputeHiddenStates([1, 2, 3, 4, 5, 6], 2, hidden);
        Assert.IsLessThan(tolerance, Gpu.RelativeError(hidden, expectedHidden), "hidden states");
    }

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.Standard)]
    public void A_decoders_state_is_a_value_on_a_GPU(GptAttentionPattern attention, GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        string package = Write(folder["package"], attention, new() { Operators = operators });
        GptDevice device = Gpu.RequireOnnx(package);
        using OnnxCausalModel model = OnnxCausalModel.Load(package, device), other = OnnxCausalModel.Load(package, device);
        DecoderStates.Check(model, other);
    }

    [TestMethod]
    [DataRow(WeightFormat.Float32)]
    [DataRow(WeightFormat.Float16)]
    public void A_state_saved_on_a_GPU_goes_on_there_and_on_the_CPU(WeightFormat weights)
    {
        using var folder = new TemporaryFolder();
        string package = Write(folder["package"], GptAttentionPattern.Dense, new() { Weights = weights });
        GptDevice device = Gpu.RequireOnnx(package);
        using OnnxCausalModel gpu = OnnxCausalModel.Load(package, device), cpu = OnnxCausalModel.Load(package, GptDevice.Cpu);
        int v = Config.VocabularySize;
        float[] logits = new float[2 * v], expected = new float[2 * v], found = new float[2 * v];
        using var decoder = (ISavableDecoder)gpu.BeginDecoding(2, 12);
        decoder.Append([1, 2, 3, 4, 5, 0, 0, 6, 7, 1], [1, 1, 1, 1, 1, 0, 0, 1, 1, 1], LogitsScope.LastPosition, logits);
        using var saved = new MemoryStream();
        decoder.Save(saved);
        decoder.Append([6, 2], default, LogitsScope.LastPosition, expected);
        foreach (OnnxCausalModel model in (OnnxCausalModel[])[gpu, cpu])
        {
            saved.Position = 0;
            using ISavableDecoder restored = model.ResumeDecoding(saved, 14);
            restored.Append([6, 2], default, LogitsScope.LastPosition, found);
            Assert.IsLessThan(weights == WeightFormat.Float32 ? 1e-5 : 5e-3, Gpu.RelativeError(found, expected), $"{model.Device}");
        }
    }

    [TestMethod]
    public async Task Callers_share_a_batch_on_a_GPU_and_reuse_its_prefixes()
    {
        using var folder = new TemporaryFolder();
        string package = Write(folder["package"], GptAttentionPattern.Dense);
        GptDevice device = Gpu.RequireOnnx(package);
        Tokenizer.Save(package);
        using GptModel model = GptModel.FromOnnx(package, device);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = 5, PrefillTokens = 7, PrefixCacheTokens = 120 });
        GenerateTextOptions Options(int i) => new() { MaxNewTokens = 1 + (i * 5 % 13), Temperature = 0, RepetitionPenalty = i % 4 == 0 ? 1.2f : 1 };
        string Prompt(int i) => (i % 3 == 0 ? "abc def ghi jkl mno " : "") + string.Concat(Enumerable.Range(0, 1 + (i * 7 % 23)).Select(t => (char)('a' + ((t * (i + 1)) % 20))));
        GeneratedText[] together = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => queue.GenerateAsync(Prompt(i), Options(i))));
        for (int i = 0; i < together.Length; i++)
        {
            GeneratedText alone = model.Generate([Prompt(i)], Options(i))[0];
            Assert.AreEqual((alone.Text, alone.FinishReason), (together[i].Text, together[i].FinishReason), $"call {i}");
        }

        Assert.IsGreaterThan(0L, queue.ReusedTokens);
        GenerateTextOptions guesses = new() { MaxNewTokens = 12, Temperature = 0, StopAtEndOfText = false };
        Assert.AreEqual(model.Generate("abcabcabc", guesses), model.Generate("abcabcabc", guesses with { PromptLookupTokens = 4 }));
        using GptSession session = model.BeginSession();
        session.Continue("abc def", guesses with { MaxNewTokens = 4 });
        using GptSession fork = session.Fork();
        Assert.AreEqual(session.Continue(" gh", guesses).Text, fork.Continue(" gh", guesses).Text);
    }

    [TestMethod]
    public void Rows_with_adapters_compute_on_the_GPU_what_they_compute_on_the_CPU()
    {
        using var folder = new TemporaryFolder();
        string package = Write(folder["package"], GptAttentionPattern.Dense, new() { AdaptableProjections = LoraProjections.All });
        LoraCheckpoint.Write(folder["wide"], Config, new() { Rank = 5, Alpha = 12, Projections = LoraProjections.All }, static (name, values) => Fill(name, values));
        LoraCheckpoint.Write(folder["small"], Config, new() { Rank = 1, Alpha = 3, Projections = LoraProjections.FeedForward }, static (name, values) => Fill(name, values));
        GptDevice device = Gpu.RequireOnnx(package);
        using OnnxCausalModel cpu = OnnxCausalModel.Load(package, GptDevice.Cpu), gpu = OnnxCausalModel.Load(package, device);
        float[] expected = Logits(cpu), found = Logits(gpu);
        Assert.IsLessThan(1e-5, Gpu.RelativeError(found, expected));

        float[] Logits(OnnxCausalModel model)
        {
            float[] logits = new float[3 * Config.VocabularySize];
            using ICausalDecoder decoder = model.BeginDecoding([model.LoadAdapter("wide", folder["wide"]), null, model.LoadAdapter("small", folder["small"])], 8);
            decoder.Append([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4], default, LogitsScope.LastPosition, logits);
            decoder.Append([5, 6, 7], default, LogitsScope.LastPosition, logits);
            return logits;
        }
    }

    private static void Fill(string name, float[] values)
    {
        for (int i = 0; i < values.Length; i++) values[i] = 0.1f * MathF.Sin((1.3f * i) + name.Length);
    }

    private static string Write(string folder, GptAttentionPattern attention, OnnxExportOptions? options = null)
    {
        OnnxExporter.Write(new FormulaWeights(Config with { AttentionPattern = attention }), folder, options);
        return folder;
    }
}

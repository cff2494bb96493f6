using System.Runtime.CompilerServices;
using LLama;
using LLama.Common;
using LLama.Native;
using MLNet.Gpt.Benchmarks;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>llama.cpp, which shares no code with this library, opens the GGUF files that are written here and computes what ONNX Runtime computes from the same weights.</summary>
[TestClass]
public sealed class LlamaCppTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.TrainBytePairEncoding(["low lower lowest new newer newest"], new BytePairTrainingOptions { VocabularySize = 264 });

    // Two tokens more than the tokenizer has; blocks of 32 fit every matrix.
    private static readonly FormulaWeights Weights = new(new GptConfig { VocabularySize = 266, ContextLength = 64, EmbeddingSize = 64, LayerCount = 3, HeadCount = 4, FeedForwardSize = 96 });

    [ClassInitialize]
    public static void Needs_the_native_library(TestContext _)
    {
        RuntimeHelpers.RunClassConstructor(typeof(LlamaEngine).TypeHandle); // its settings go before the library
        try
        {
            NativeApi.llama_max_devices();
        }
        catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException or LLama.Exceptions.RuntimeError)
        {
            Assert.Inconclusive($"llama.cpp's native library can't be loaded here; on Linux it needs libgomp.so.1 (Debian's package libgomp1) and glibc 2.34: {(exception.InnerException ?? exception).Message}");
        }
    }

    [TestMethod]
    public void A_float32_file_gives_the_same_greedy_tokens()
    {
        using var folder = new TemporaryFolder();
        using var llama = new LlamaEngine(Write(folder, GgufFormat.Float32));
        using var own = new OwnEngine(WritePackage(folder));
        // A tied head repeats itself soon: many prompts show more than one long text.
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(static i => new[] { 19 * i, ((71 * i) + 3) % 264 })], texts = [.. prompts.Select(prompt => own.Greedy(prompt, 10))];
        Assert.IsGreaterThan(5, texts.SelectMany(static tokens => tokens).Distinct().Count(), "the same few tokens would show little");
        for (int i = 0; i < prompts.Length; i++) CollectionAssert.AreEqual(texts[i], llama.Greedy(prompts[i], 10), $"prompt {i}");
    }

    [TestMethod]
    [DataRow(32, 1, 1, 37)]
    [DataRow(48, 4, 1, 96)]
    [DataRow(64, 2, 2, 100)]
    [DataRow(40, 5, 3, 33)]
    [DataRow(8, 1, 1, 8)]
    public void It_computes_every_shape(int width, int heads, int layers, int inner)
    {
        using var folder = new TemporaryFolder();
        var weights = new FormulaWeights(new GptConfig { VocabularySize = 265, ContextLength = 33, EmbeddingSize = width, LayerCount = layers, HeadCount = heads, FeedForwardSize = inner });
        GgufExporter.Write(weights, Tokenizer, folder["model.gguf"]);
        OnnxExporter.Write(weights, folder["package"]);
        using var llama = new LlamaEngine(folder["model.gguf"]);
        using var own = new OwnEngine(folder["package"]);
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(static i => new[] { 19 * i, ((71 * i) + 3) % 264 })], texts = [.. prompts.Select(prompt => own.Greedy(prompt, 10))];
        Assert.IsGreaterThan(5, texts.SelectMany(static tokens => tokens).Distinct().Count(), "the same few tokens would show little");
        for (int i = 0; i < prompts.Length; i++)
        {
            int[] found = llama.Greedy(prompts[i], 10);
            int same = texts[i].AsSpan().CommonPrefixLength(found);
            if (same < 10) Assert.IsLessThan(0.01, Gap([.. prompts[i], .. found[..same]], texts[i][same], found[same]), $"prompt {i}, token {same}: of two as likely, float16 in its cache chose the other");
        }

        double Gap(int[] tokens, int one, int other)
        {
            using OnnxCausalModel model = OnnxCausalModel.Load(folder["package"], GptDevice.Cpu);
            float[] logits = new float[model.Config.VocabularySize];
            using ICausalDecoder decoder = model.BeginDecoding(1, tokens.Length);
            decoder.Append(tokens, default, LogitsScope.LastPosition, logits);
            return Math.Abs(logits[one] - logits[other]);
        }
    }

    /// <summary>The likelihood of 60 tokens. llama.cpp keeps keys and values in float16 and takes GELU from a table; the rest of the difference is the format's own error.</summary>
    [TestMethod]
    [DataRow(GgufFormat.Float32, 0.005)]
    [DataRow(GgufFormat.Float16, 0.01)]
    [DataRow(GgufFormat.Q8_0, 0.05)]
    [DataRow(GgufFormat.Q4_0, 0.6)]
    public void Every_format_gives_nearly_the_same_likelihoods(GgufFormat format, double tolerance)
    {
        using var folder = new TemporaryFolder();
        using var llama = new LlamaEngine(Write(folder, format));
        int[] tokens = [.. Enumerable.Range(0, 60).Select(static i => ((i * 37) + 5) % 264)];
        double[] found = llama.Score(tokens);

        using OnnxCausalModel own = OnnxCausalModel.Load(WritePackage(folder), GptDevice.Cpu);
        float[] logits = new float[tokens.Length * own.Config.VocabularySize];
        using ICausalDecoder decoder = own.BeginDecoding(1, tokens.Length);
        decoder.Append(tokens, default, LogitsScope.AllPositions, logits);
        double sum = 0;
        for (int i = 0; i < found.Length; i++)
        {
            float[] row = logits[(i * own.Config.VocabularySize)..((i + 1) * own.Config.VocabularySize)];
            double expected = row[tokens[i + 1]] - Math.Log(row.Sum(static logit => Math.Exp(logit)));
            sum += Math.Pow(expected - found[i], 2);
        }

        Assert.IsLessThan(tolerance, Math.Sqrt(sum / found.Length));
    }

    [TestMethod]
    public void A_checkpoints_end_tokens_and_chat_template_arrive()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["low lower lowest new newer newest"], new BytePairTrainingOptions { VocabularySize = 266, SpecialTokens = [GptTokenizer.EndOfText, "<|im_start|>", "<|im_end|>"] });
        GptCheckpoint.Write(folder["checkpoint"], Weights, tokenizer);
        File.WriteAllText(Path.Combine(folder["checkpoint"], "generation_config.json"), """{"bos_token_id":7,"eos_token_id":9}""");
        ChatTemplate.ChatMl.Save(folder["checkpoint"]);
        GgufExporter.Export(folder["checkpoint"], folder["model.gguf"]);
        using LLamaWeights model = LLamaWeights.LoadFromFile(new ModelParams(folder["model.gguf"]));
        Assert.AreEqual((7, 9), ((int)model.Vocab.BOS!.Value, (int)model.Vocab.EOS!.Value));
        Assert.AreEqual(ChatTemplate.ChatMl.ToJinja(), model.Metadata["tokenizer.chat_template"]);
        Assert.IsTrue(model.Vocab.EOT is { } other && (int)other == tokenizer.EndOfTextId);

        // It knows the template for what it is.
        var conversation = new LLamaTemplate(model) { AddAssistant = true };
        conversation.Add("user", "hello");
        Assert.AreEqual("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", LLamaTemplate.Encoding.GetString(conversation.Apply()));
    }

    private static string Write(TemporaryFolder folder, GgufFormat format)
    {
        GgufExporter.Write(Weights, Tokenizer, folder["model.gguf"], format);
        return folder["model.gguf"];
    }

    private static string WritePackage(TemporaryFolder folder)
    {
        OnnxExporter.Write(Weights, folder["package"]);
        return folder["package"];
    }
}

using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Sequences that join and leave a batch under way, on both engines and with both kinds of caches of ONNX Runtime's.</summary>
[TestClass]
public sealed class GenerationQueueTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["!abcdefghijklmnopqrst "]);

    /// <summary>Heads of 16 share a buffer between past and present, unless the graph is of standard operators.</summary>
    private static GptConfig Config(GptAttentionPattern attention) => new()
    {
        VocabularySize = Tokenizer.VocabularySize, ContextLength = 48, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, InitializerRange = 0.3f, AttentionPattern = attention, AttentionBandWidth = 3,
    };

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.Standard)]
    public void A_decoders_state_is_a_value_on_both_engines(GptAttentionPattern attention, GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(attention), onnx = Onnx(torch, folder, "onnx", operators), otherTorch = Torch(attention), otherOnnx = Onnx(otherTorch, folder, "other", operators);
        DecoderStates.Check(torch.Engine, otherTorch.Engine);
        DecoderStates.Check(onnx.Engine, otherOnnx.Engine);
    }

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded, GraphOperators.OnnxRuntime)]
    [DataRow(GptAttentionPattern.Dense, GraphOperators.Standard)]
    public async Task Many_callers_get_what_each_gets_alone(GptAttentionPattern attention, GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(attention), onnx = Onnx(torch, folder, "onnx", operators);
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            using var queue = new GptGenerationQueue(model, new() { MaxRows = 5, PrefillTokens = 7, PrefixCacheTokens = 120 });
            Task<GeneratedText>[] calls = [.. Enumerable.Range(0, 40).Select(i => queue.GenerateAsync(Prompt(i), Options(i)))];
            GeneratedText[] together = await Task.WhenAll(calls);
            for (int i = 0; i < together.Length; i++)
            {
                GeneratedText alone = model.Generate([Prompt(i)], Options(i))[0];
                Assert.AreEqual((alone.Text, alone.FinishReason, alone.TokenCount, alone.PromptTokenCount), (together[i].Text, together[i].FinishReason, together[i].TokenCount, together[i].PromptTokenCount), $"{model.Engine.GetType().Name}, call {i}");
            }

            Assert.IsGreaterThan(0L, queue.ReusedTokens);
            var pieces = new List<string>();
            await foreach (string piece in queue.GenerateStreaming(Prompt(3), Options(3))) pieces.Add(piece);
            Assert.AreEqual(together[3].Text, string.Concat(pieces));
            Assert.AreEqual((0, 0), (queue.WaitingCount, queue.RunningCount));
        }
    }

    [TestMethod]
    public async Task A_full_queue_refuses_who_gives_up_leaves_and_disposing_ends_the_rest()
    {
        using GptModel model = Torch(GptAttentionPattern.Dense);
        var queue = new GptGenerationQueue(model, new() { MaxRows = 1, MaxWaiting = 1 });
        var endless = new GenerateTextOptions { MaxNewTokens = 40, StopAtEndOfText = false };
        Assert.ThrowsExactly<ArgumentNullException>(() => { _ = queue.GenerateAsync(null!); });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => { _ = queue.GenerateAsync("a", endless with { MaxNewTokens = 0 }); });
        Assert.ThrowsExactly<ArgumentException>(() => { _ = queue.GenerateAsync("a", endless with { SamplesPerPrompt = 2 }); });
        await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => queue.GenerateAsync("a", endless with { BeamCount = 2, Temperature = 0 }));
        await Assert.ThrowsExactlyAsync<PromptTooLongException>(() => queue.GenerateAsync(new string('a', 49), endless));

        // Hundreds of calls at once, where one computes and one may wait: some are refused, and nothing is lost.
        Task<GeneratedText>[] calls = [.. Enumerable.Range(0, 300).Select(_ => queue.GenerateAsync("ab", endless))];
        int refused = 0, done = 0;
        foreach (Task<GeneratedText> call in calls)
        {
            try
            {
                Assert.AreEqual(40, (await call).TokenCount);
                done++;
            }
            catch (GenerationQueueFullException full)
            {
                Assert.AreEqual(1, full.MaxWaiting);
                refused++;
            }
        }

        Assert.AreEqual(300, refused + done);
        Assert.IsGreaterThan(0, refused);
        Assert.IsGreaterThan(1, done);

        using var gaveUp = new CancellationTokenSource();
        await foreach (string _ in queue.GenerateStreaming("b", endless))
        {
            // Left after the first piece: its place is free for the next call.
            break;
        }

        Assert.AreEqual(40, (await queue.GenerateAsync("c", endless)).TokenCount);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => queue.GenerateAsync("c", endless, gaveUp.Token));
        queue.Dispose();
        queue.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => { _ = queue.GenerateAsync("d", endless); });
        Assert.AreEqual(40, model.Generate(["d"], endless)[0].TokenCount, "the model is still open");
    }

    private static GptModel Torch(GptAttentionPattern attention) => new(new TorchCausalModel(new GptNetwork(Config(attention), GptDevice.Cpu, seed: 3)), Tokenizer);

    private static GptModel Onnx(GptModel torch, TemporaryFolder folder, string name, GraphOperators operators)
    {
        torch.ExportOnnx(folder[name], new() { Operators = operators });
        return GptModel.FromOnnx(folder[name], GptDevice.Cpu);
    }

    // Every third prompt begins with the same twenty characters.
    private static string Prompt(int i) => (i % 3 == 0 ? "abc def ghi jkl mno " : "") + string.Concat(Enumerable.Range(0, 1 + (i * 7 % 23)).Select(t => (char)('a' + ((t * (i + 1)) % 20))));

    private static GenerateTextOptions Options(int i) => new() { MaxNewTokens = 1 + (i * 5 % 13), Temperature = i % 2 == 0 ? 0 : 0.8f, Seed = i, RepetitionPenalty = i % 4 == 0 ? 1.2f : 1 };
}

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>The memory that ONNX Runtime's calls compute in: what they leave behind, and that no call takes more rows than it must.</summary>
[TestClass]
public sealed class WorkingMemoryTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void A_large_call_gives_its_memory_back_unless_it_is_to_be_kept(bool wholeRows)
    {
        // 2,048 positions of the feed-forward layer are 34 MB, before GELU and behind it.
        using var folder = new TemporaryFolder();
        Write(folder["package"], new() { VocabularySize = 32, ContextLength = 256, EmbeddingSize = 1024, LayerCount = 1, HeadCount = 16 });
        long given = Median(new()), kept = Median(new() { KeepWorkingMemory = true });
        Assert.IsGreaterThan(given + 40e6, kept, $"{given} bytes");

        // The collector, which gives memory back when it likes, may do so within one of them.
        long Median(OnnxEngineOptions options) => Enumerable.Range(0, 3).Select(_ => Growth(options)).Order().ElementAt(1);

        long Growth(OnnxEngineOptions options)
        {
            using OnnxCausalModel model = OnnxCausalModel.Load(folder["package"], GptDevice.Cpu, options);
            float[] result = new float[wholeRows ? 8 * 256 * 1024 : 8 * 32];
            Call(model, result, 4); // what the session takes once
            result.AsSpan().Clear();
            long before = Environment.WorkingSet;
            Call(model, result, 256);
            return Environment.WorkingSet - before;
        }

        void Call(OnnxCausalModel model, float[] result, int t)
        {
            int[] ids = new int[8 * t];
            if (wholeRows)
            {
                model.ComputeHiddenStates(ids, 8, result.AsSpan(0, ids.Length * 1024));
                return;
            }

            using ICausalDecoder decoder = model.BeginDecoding(8, t);
            decoder.Append(ids, default, LogitsScope.LastPosition, result);
        }
    }

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime)]
    [DataRow(GraphOperators.Standard)]
    public void A_large_cache_goes_back_to_the_system(GraphOperators operators)
    {
        // 16 tensors of 32 rows × 4 heads × 256 positions × 64 numbers: 134 MB, each small enough for the C heap to keep it. Two buffers take twice that.
        using var folder = new TemporaryFolder();
        Write(folder["package"], new() { VocabularySize = 32, ContextLength = 256, EmbeddingSize = 256, LayerCount = 8, HeadCount = 4 }, operators);
        using OnnxCausalModel model = OnnxCausalModel.Load(folder["package"], GptDevice.Cpu);
        float[] logits = new float[32 * 32];
        long during;
        using (ICausalDecoder decoder = model.BeginDecoding(32, 256))
        {
            for (int i = 0; i < 240; i += 8) decoder.Append(new int[32 * 8], default, LogitsScope.LastPosition, logits);
            during = Environment.WorkingSet;
        }

        Assert.IsLessThan(during - 80e6, Environment.WorkingSet);
    }

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime)]
    [DataRow(GraphOperators.Standard)]
    public void Rows_that_take_several_calls_are_what_each_is_alone(GraphOperators operators)
    {
        // Five rows of 500 tokens; the second has 480, behind padding. A cache of two buffers, which standard operators have, takes all of them in one call.
        const int Rows = 5, T = 500, V = 32, C = 32;
        using var folder = new TemporaryFolder();
        Write(folder["package"], new() { VocabularySize = V, ContextLength = 512, EmbeddingSize = C, LayerCount = 2, HeadCount = 2, InitializerRange = 0.3f, AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 }, operators);
        using OnnxCausalModel model = OnnxCausalModel.Load(folder["package"], GptDevice.Cpu);
        int[] ids = [.. Enumerable.Range(0, Rows * T).Select(static i => (i * i / 3) % V)];
        byte[] mask = new byte[ids.Length];
        mask.AsSpan().Fill(1);
        mask.AsSpan(T, 20).Clear();
        float[] all = new float[Rows * T * V], next = new float[Rows * V], hidden = new float[Rows * T * C];
        using ICausalDecoder decoder = model.BeginDecoding(Rows, T + 1);
        decoder.Append(ids, mask, LogitsScope.AllPositions, all);
        decoder.Append([1, 2, 3, 4, 5], default, LogitsScope.LastPosition, next);
        model.ComputeHiddenStates(ids, Rows, hidden);
        for (int row = 0; row < Rows; row++)
        {
            int padding = row == 1 ? 20 : 0, length = T - padding;
            int[] own = ids[((row * T) + padding)..((row + 1) * T)];
            float[] expected = new float[length * V], expectedNext = new float[V], expectedHidden = new float[T * C];
            using ICausalDecoder alone = model.BeginDecoding(1, T + 1);
            alone.Append(own, default, LogitsScope.AllPositions, expected);
            alone.Append([row + 1], default, LogitsScope.LastPosition, expectedNext);
            model.ComputeHiddenStates(ids.AsSpan(row * T, T), 1, expectedHidden);
            Same(expected, all.AsSpan(((row * T) + padding) * V, length * V), row, "logits");
            Same(expectedNext, next.AsSpan(row * V, V), row, "next token");
            Same(expectedHidden, hidden.AsSpan(row * T * C, T * C), row, "hidden states");
        }
    }

    private static void Same(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, int row, string what)
    {
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-4f, $"{what} of row {row}, number {i}");
    }

    private static void Write(string folder, GptConfig config, GraphOperators operators = GraphOperators.OnnxRuntime)
    {
        using var model = new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 1));
        model.WriteOnnxPackage(folder, new() { Operators = operators });
    }
}

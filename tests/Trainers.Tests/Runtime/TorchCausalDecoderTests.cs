using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class TorchCausalDecoderTests
{
    // Sums of some hundred float32 terms of size 1, taken in another order.
    private const float Tolerance = 1e-5f;

    private static readonly GptConfig Dense = new() { VocabularySize = 40, ContextLength = 220, EmbeddingSize = 32, LayerCount = 3, HeadCount = 4, InitializerRange = 0.2f };

    public static IEnumerable<object[]> Forms =>
    [
        ["pre-norm", Dense],
        ["post-norm", Dense with { BlockForm = GptBlockForm.PostNorm }],
        ["banded", Dense with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 5 }],
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Decoding_token_by_token_gives_the_tokens_of_whole_passes_over_200_steps(string form, GptConfig config)
    {
        using var model = new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 5));
        int[] cached = Greedy(model, [3, 17, 8], 200, useCache: true), uncached = Greedy(model, [3, 17, 8], 200, useCache: false);
        CollectionAssert.AreEqual(uncached, cached, form);
        Assert.IsGreaterThan(3, cached.Distinct().Count(), "the model should not write one token over and over, or the test shows little");
    }

    // Long rows are computed in pieces, so that a call can be cancelled in between; here in pieces of one, two or three positions.
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void A_pass_in_pieces_gives_the_logits_and_hidden_states_of_one_pass(string form, GptConfig config)
    {
        var network = new GptNetwork(config, GptDevice.Cpu, seed: 5);
        using var whole = new TorchCausalModel(network);
        int v = config.VocabularySize, c = config.EmbeddingSize;
        int[] tokens = [9, 1, 30, 4, 22, 7, 39, 0, 0, 0, 5, 5, 6, 8, 2, 11, 12, 13, 14, 15, 16];
        byte[] mask = [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        foreach (int positions in (int[])[1, 2, 3])
        {
            var pieces = new TorchCausalModel(network) { OperationsAtOnce = (positions + 0.5) * 3 * config.FlopsPerToken / 3 };
            foreach (LogitsScope scope in Enum.GetValues<LogitsScope>())
            {
                using ICausalDecoder expected = whole.BeginDecoding(3, 9), found = pieces.BeginDecoding(3, 9);
                foreach ((int[] ids, byte[] visible) in (ReadOnlySpan<(int[], byte[])>)[(tokens, mask), ([1, 2, 3, 4, 5, 6], [])])
                {
                    int rows = scope == LogitsScope.AllPositions ? ids.Length : 3;
                    float[] a = new float[rows * v], b = new float[rows * v];
                    expected.Append(ids, visible, scope, a);
                    found.Append(ids, visible, scope, b);
                    for (int i = 0; i < rows; i++)
                    {
                        if (scope == LogitsScope.AllPositions && visible.Length > 0 && visible[i] == 0) continue; // undefined
                        AreEqual(a.AsSpan(i * v, v).ToArray(), b.AsSpan(i * v, v), $"{form}, {positions} at once, {scope}, row {i}");
                    }
                }
            }

            float[] one = new float[tokens.Length * c], many = new float[one.Length];
            whole.ComputeHiddenStates(tokens, 3, one);
            pieces.ComputeHiddenStates(tokens, 3, many);
            AreEqual(one, many, $"{form}, {positions} at once, hidden states");
        }
    }

    [TestMethod]
    public void A_cancelled_call_leaves_the_decoder_as_it_was()
    {
        using var model = new TorchCausalModel(new GptNetwork(Dense, GptDevice.Cpu, seed: 5)) { OperationsAtOnce = 1 };
        int[] tokens = [.. Enumerable.Range(0, 400).Select(static i => i % 40)];
        byte[] mask = [.. Enumerable.Range(0, 400).Select(static i => (byte)(i is >= 200 and < 300 ? 0 : 1))];
        float[] expected = new float[2 * 40], found = new float[2 * 40];
        using (ICausalDecoder fresh = model.BeginDecoding(2, 204)) fresh.Append(tokens.AsSpan(0, 4), [], LogitsScope.LastPosition, expected);
        using ICausalDecoder decoder = model.BeginDecoding(2, 204);
        int cancelled = 0;
        for (int milliseconds = 1; milliseconds <= 30; milliseconds++)
        {
            using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
            try
            {
                decoder.Append(tokens, mask, LogitsScope.LastPosition, found, cancel.Token);
                break; // it was faster than that
            }
            catch (OperationCanceledException)
            {
                cancelled++;
                Assert.AreEqual(0, decoder.Length);
            }
        }

        Assert.IsGreaterThan(0, cancelled);
        if (decoder.Length > 0) return;
        decoder.Append(tokens.AsSpan(0, 4), [], LogitsScope.LastPosition, found);
        AreEqual(expected, found, "after a cancellation");
    }

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Rows_padded_on_the_left_get_the_logits_that_they_get_alone(string form, GptConfig config)
    {
        using var model = new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 5));
        int v = config.VocabularySize;
        int[][] prompts = [[9, 1, 30, 4, 22, 7, 39], [12], [5, 5, 6]];
        var tokens = new int[3 * 7];
        var mask = new byte[3 * 7];
        for (int row = 0; row < 3; row++)
        {
            prompts[row].CopyTo(tokens, ((row + 1) * 7) - prompts[row].Length);
            mask.AsSpan(((row + 1) * 7) - prompts[row].Length, prompts[row].Length).Fill(1);
        }

        using ICausalDecoder batch = model.BeginDecoding(3, 9);
        var logits = new float[3 * v];
        batch.Append(tokens, mask, LogitsScope.LastPosition, logits);
        var next = new float[3 * v];
        batch.Append([2, 3, 4], [], LogitsScope.LastPosition, next);
        batch.SelectRows([2, 0]);
        var kept = new float[2 * v];
        batch.Append([1, 1], [], LogitsScope.LastPosition, kept);
        for (int row = 0; row < 3; row++)
        {
            using ICausalDecoder alone = model.BeginDecoding(1, 9);
            AreEqual(Append(alone, prompts[row]), logits.AsSpan(row * v, v), $"{form}, row {row}");
            AreEqual(Append(alone, [row + 2]), next.AsSpan(row * v, v), $"{form}, row {row}, next");
            if (row == 2) AreEqual(Append(alone, [1]), kept.AsSpan(0, v), $"{form}, row 2 kept as row 0");
            if (row == 0) AreEqual(Append(alone, [1]), kept.AsSpan(v, v), $"{form}, row 0 kept as row 1");
        }

        float[] Append(ICausalDecoder decoder, int[] ids)
        {
            var result = new float[v];
            decoder.Append(ids, [], LogitsScope.LastPosition, result);
            return result;
        }
    }

    [TestMethod]
    public void All_positions_of_several_chunks_equal_those_of_one()
    {
        using var model = new TorchCausalModel(new GptNetwork(Dense, GptDevice.Cpu, seed: 5));
        int[] ids = [.. Enumerable.Range(0, 12).Select(static i => (i * 7) % 40)];
        var whole = new float[12 * 40];
        using (ICausalDecoder decoder = model.BeginDecoding(1, 12)) decoder.Append(ids, [], LogitsScope.AllPositions, whole);
        using ICausalDecoder chunks = model.BeginDecoding(1, 12);
        var first = new float[5 * 40];
        var second = new float[7 * 40];
        chunks.Append(ids.AsSpan(0, 5), [], LogitsScope.AllPositions, first);
        chunks.Append(ids.AsSpan(5), [], LogitsScope.AllPositions, second);
        AreEqual([.. first, .. second], whole, "chunks");
    }

    [TestMethod]
    public void Wrong_arguments_are_refused_with_both_values()
    {
        using var model = new TorchCausalModel(new GptNetwork(Dense with { ContextLength = 4 }, GptDevice.Cpu));
        using ICausalDecoder decoder = model.BeginDecoding(2, 6);
        var logits = new float[2 * 40];
        Assert.AreEqual(40, Assert.ThrowsExactly<TokenOutOfRangeException>(() => decoder.Append([1, 40], [], LogitsScope.LastPosition, logits)).TokenId);
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([1, 2, 3], [], LogitsScope.LastPosition, logits));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([1, 2], [1], LogitsScope.LastPosition, logits));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([1, 2], [], LogitsScope.AllPositions, new float[40]));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append(new int[14], [], LogitsScope.LastPosition, logits));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => decoder.SelectRows([2]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => decoder.SelectRows([]));
        var tooLong = Assert.ThrowsExactly<PromptTooLongException>(() => decoder.Append(new int[10], [], LogitsScope.LastPosition, logits));
        Assert.AreEqual(5, tooLong.TokenCount);
        Assert.AreEqual(4, tooLong.Limit);
        Assert.AreEqual(0, decoder.Length);
    }

    [TestMethod]
    public void Threads_that_decode_at_once_get_what_each_would_get_alone()
    {
        using var model = new TorchCausalModel(new GptNetwork(Dense, GptDevice.Cpu, seed: 5));
        int[][] alone = [.. Enumerable.Range(0, 4).Select(i => Greedy(model, [i, i + 9], 20, useCache: true))];
        var together = new int[4][];
        Parallel.For(0, 4, i => together[i] = Greedy(model, [i, i + 9], 20, useCache: true));
        for (int i = 0; i < 4; i++) CollectionAssert.AreEqual(alone[i], together[i]);
    }

    [TestMethod]
    public void Generation_leaves_no_tensor_behind()
    {
        using var model = new TorchCausalModel(new GptNetwork(Dense, GptDevice.Cpu, seed: 5));
        Greedy(model, [1], 3, useCache: true);
        long before = Tensor.TotalCount;
        for (int i = 0; i < 200; i++) Greedy(model, [i % 40], 3, useCache: true);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static int[] Greedy(TorchCausalModel model, int[] prompt, int steps, bool useCache)
    {
        var sequence = new List<int>(prompt);
        var logits = new float[model.Config.VocabularySize];
        using ICausalDecoder decoder = model.BeginDecoding(1, prompt.Length + steps);
        for (int i = 0; i < steps; i++)
        {
            if (useCache)
            {
                decoder.Append([.. sequence.Skip(decoder.Length)], [], LogitsScope.LastPosition, logits);
            }
            else
            {
                using var scope = NewDisposeScope();
                using var noGradient = no_grad();
                Tensor hidden = model.Network.Hidden(tensor(sequence.Select(static id => (long)id).ToArray()).view(1, -1));
                model.Network.Logits(hidden)[sequence.Count - 1].data<float>().CopyTo(logits);
            }

            sequence.Add(Array.IndexOf(logits, logits.Max()));
        }

        return [.. sequence];
    }

    private static void AreEqual(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        float scale = 0;
        foreach (float value in expected) scale = Math.Max(scale, Math.Abs(value));
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], Tolerance * Math.Max(1, scale), $"{what}, element {i}");
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class KeyValueCacheTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 8, ContextLength = 4_096, EmbeddingSize = 8, LayerCount = 3, HeadCount = 2 };

    // 3 layers' keys and values of 2 heads of 4 numbers: what one position of one row holds.
    private const int PositionNumbers = 3 * 2 * 2 * 4;

    [TestMethod]
    [DataRow(new[] { 0, 1, 2, 3 }, 0, DisplayName = "all")]
    [DataRow(new[] { 0, 1 }, 0, DisplayName = "the first two")]
    [DataRow(new[] { 0 }, 0, DisplayName = "the first")]
    [DataRow(new[] { 1, 2, 3 }, 3, DisplayName = "the last three")]
    [DataRow(new[] { 0, 2, 3 }, 3, DisplayName = "all but one")]
    [DataRow(new[] { 3, 1, 0 }, 3, DisplayName = "in another order")]
    [DataRow(new[] { 0, 0, 0, 2, 2, 3, 1, 1 }, 8, DisplayName = "each several times")]
    public void Selecting_rows_copies_only_the_positions_that_are_held_and_nothing_where_the_first_rows_stay(int[] rows, int copied)
    {
        // 5 of 4,000 positions are held.
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(Config, 4, capacity: 4_000, CPU, ScalarType.Float32);
        Tensor[] written = [.. Enumerable.Range(0, 6).Select(i => rand(4, 2, 5, 4))];
        for (int layer = 0; layer < 3; layer++) cache.Append(layer, written[2 * layer], written[(2 * layer) + 1]);
        cache.Advance(5);

        cache.SelectRows(rows);

        Assert.AreEqual(copied * 5 * PositionNumbers, cache.CopiedNumbers);
        Tensor index = tensor(Array.ConvertAll(rows, static row => (long)row));
        for (int i = 0; i < 6; i++) Assert.IsTrue(written[i].index_select(0, index).allclose(cache.Held(i), rtol: 0, atol: 0), $"tensor {i}");

        // The room behind them is still there, and rows are selected again.
        Tensor more = rand(rows.Length, 2, 3_995, 4);
        for (int layer = 0; layer < 3; layer++) cache.Append(layer, more, more);
        cache.Advance(3_995);
        Assert.IsTrue(more.allclose(cache.Held(5).narrow(2, 5, 3_995), rtol: 0, atol: 0));
        cache.SelectRows([rows.Length - 1]);
        Assert.IsTrue(more.narrow(0, rows.Length - 1, 1).allclose(cache.Held(0).narrow(2, 5, 3_995), rtol: 0, atol: 0));
        Assert.IsTrue(written[0].narrow(0, rows[^1], 1).allclose(cache.Held(0).narrow(2, 0, 5), rtol: 0, atol: 0));
    }

    [TestMethod]
    public void Nothing_is_copied_before_anything_is_held()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(Config, 1, capacity: 8, CPU, ScalarType.Float32);
        cache.SelectRows([0, 0, 0]);
        Assert.AreEqual(0, cache.CopiedNumbers);
        Tensor three = rand(3, 2, 2, 4);
        cache.Append(0, three, three);
        cache.Advance(2);
        Assert.IsTrue(three.allclose(cache.Held(0), rtol: 0, atol: 0));
    }
}

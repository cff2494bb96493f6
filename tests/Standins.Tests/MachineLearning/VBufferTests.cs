using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class VBufferTests
{
    // Slots 1 and 3 of five.
    private static readonly VBuffer<float> _sparse = new(5, 2, [10, 30], [1, 3]);

    [TestMethod]
    public void A_sparse_vector_holds_values_and_their_slots()
    {
        Assert.IsFalse(_sparse.IsDense);
        CollectionAssert.AreEqual(new float[] { 10, 30 }, _sparse.GetValues().ToArray());
        CollectionAssert.AreEqual(new[] { 1, 3 }, _sparse.GetIndices().ToArray());
        CollectionAssert.AreEqual(new float[] { 0, 10, 0, 30, 0 }, _sparse.DenseValues().ToArray());
        Assert.AreEqual(30, _sparse.GetItemOrDefault(3));
        Assert.AreEqual(0, _sparse.GetItemOrDefault(4));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _sparse.GetItemOrDefault(5));
    }

    [TestMethod]
    public void A_dense_vector_has_no_slots()
    {
        var dense = new VBuffer<float>(2, [1, 2, 99]);
        Assert.IsTrue(dense.IsDense);
        Assert.AreEqual(2, dense.GetValues().Length);
        Assert.AreEqual(0, dense.GetIndices().Length);
    }

    [TestMethod]
    public void Copying_to_a_span_fills_the_slots_that_a_sparse_vector_lacks()
    {
        float[] target = [7, 7, 7, 7, 7, 7];
        _sparse.CopyTo(target);
        CollectionAssert.AreEqual(new float[] { 0, 10, 0, 30, 0, 7 }, target);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _sparse.CopyTo(new float[4]));
    }

    [TestMethod]
    public void A_copy_has_arrays_of_its_own()
    {
        float[] values = [1, 2];
        var original = new VBuffer<float>(2, values);
        VBuffer<float> copy = default;
        original.CopyTo(ref copy);
        values[0] = 99;
        Assert.AreEqual(1, copy.GetItemOrDefault(0));
    }

    [TestMethod]
    public void An_editor_writes_into_the_old_arrays_where_they_are_long_enough()
    {
        var buffer = new VBuffer<float>(4, [1, 2, 3, 4]);
        var editor = VBufferEditor.Create(ref buffer, 3);
        Assert.IsFalse(editor.CreatedNewValues);
        editor.Values.Fill(5);
        Assert.AreEqual(5, buffer.GetItemOrDefault(0), "the old vector shares the array");
        buffer = editor.Commit();
        Assert.AreEqual(3, buffer.Length);

        var larger = VBufferEditor.Create(ref buffer, 9);
        Assert.IsTrue(larger.CreatedNewValues);
        Assert.AreEqual(9, larger.Values.Length);
    }

    [TestMethod]
    public void An_editor_makes_a_sparse_vector_where_it_is_asked_for_fewer_values()
    {
        VBuffer<int> buffer = default;
        var editor = VBufferEditor.Create(ref buffer, 6, 2);
        editor.Values[0] = 8;
        editor.Indices[0] = 5;
        buffer = editor.CommitTruncated(1);
        CollectionAssert.AreEqual(new[] { 0, 0, 0, 0, 0, 8 }, buffer.DenseValues().ToArray());
    }
}

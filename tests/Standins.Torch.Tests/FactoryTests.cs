using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class FactoryTests
{
    [TestMethod]
    public void Sizes_are_given_as_numbers_arrays_or_spans()
    {
        long[] array = [2, 3];
        ReadOnlySpan<long> span = array;
        foreach (Tensor t in new[] { zeros(2, 3), zeros(2L, 3L), zeros(array), zeros(span), zeros([2, 3]), ones(2, 3), empty(2, 3), full(2, 3, 1), randn(2, 3) })
        {
            Values.HasShape([2, 3], t);
        }

        Values.HasShape([], zeros([]));
        Values.HasShape([4], zeros(4));
        Values.HasShape([1, 2, 3], ones(1, 2, 3));
        Values.HasShape([1, 2, 3, 4], empty(1, 2, 3, 4));
        Values.HasShape([0], zeros(0));
    }

    [TestMethod]
    public void The_element_type_is_float32_unless_said_otherwise()
    {
        Assert.AreEqual(ScalarType.Float32, zeros(1).dtype);
        Assert.AreEqual(float32, rand(1).dtype);
        foreach (ScalarType type in new[] { float64, float16, bfloat16, int64, int32, ScalarType.Int16, ScalarType.Int8, uint8, @bool })
        {
            Assert.AreEqual(type, ones(1, type).dtype);
        }

        Assert.AreEqual(ScalarType.Float16, float16);
        Assert.AreEqual(ScalarType.Int64, arange(3).dtype);
        Assert.AreEqual(ScalarType.Float32, arange(0, 1, 0.25).dtype);
        Assert.AreEqual(ScalarType.Int64, full(1, 7).dtype);
        Assert.AreEqual(ScalarType.Float32, full(1, 7.0).dtype);
        Assert.AreEqual(ScalarType.Float64, zeros_like(zeros(1, float64)).dtype);
    }

    [TestMethod]
    public void Ranges_and_fillings_have_their_values()
    {
        Values.AreEqual([0, 1, 2], arange(3));
        Values.AreEqual([2, 3, 4], arange(2, 5));
        Values.AreEqual([0, 0.25f, 0.5f, 0.75f], arange(0, 1, 0.25));
        Values.AreEqual([7, 7], full(2, 7f));
        Values.AreEqual([7, 7], full([2], 7f));
        Values.AreEqual([1, 1], ones_like(zeros(2)));
        Values.AreEqual([0, 0], zeros_like(ones(2)));
        Values.HasShape([2], empty_like(ones(2)));
    }

    [TestMethod]
    public void Arrays_are_copied()
    {
        float[] source = [1, 2, 3];
        Tensor x = tensor(source);
        source[0] = 9;
        Values.AreEqual([1, 2, 3], x);
    }

    [TestMethod]
    public void Arrays_and_numbers_of_each_kind_become_tensors()
    {
        Assert.AreEqual(ScalarType.Int64, tensor(new long[] { 1 }).dtype);
        Assert.AreEqual(ScalarType.Int32, tensor(new[] { 1 }).dtype);
        Assert.AreEqual(ScalarType.Float64, tensor(new[] { 1.0 }).dtype);
        Assert.AreEqual(ScalarType.Bool, tensor(new[] { true }).dtype);
        Assert.AreEqual(ScalarType.Byte, tensor(new byte[] { 1 }).dtype);
        Assert.AreEqual(ScalarType.Float32, tensor(1f).dtype);
        Assert.AreEqual(ScalarType.Float64, tensor(1.0).dtype);
        Assert.AreEqual(ScalarType.Int32, tensor(1).dtype);
        Assert.AreEqual(ScalarType.Bool, tensor(true).dtype);
        Assert.AreEqual(1L, tensor(1L).item<long>());
        Assert.AreEqual(0, tensor(1L).ndim);
        Values.AreEqual([1, 2, 3, 4], tensor(new float[,] { { 1, 2 }, { 3, 4 } }));
        Values.HasShape([2, 2], tensor(new long[,] { { 1, 2 }, { 3, 4 } }));
        Values.HasShape([2, 1, 2], tensor(new float[] { 1, 2, 3, 4 }, [2, 1, 2]));
        Assert.AreEqual(ScalarType.BFloat16, tensor(new float[] { 1, 2 }, dtype: ScalarType.BFloat16).dtype);
        Assert.IsTrue(tensor(new float[] { 1, 2 }, requires_grad: true).requires_grad);
    }
}

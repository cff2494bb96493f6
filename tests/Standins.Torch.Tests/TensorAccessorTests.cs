using TorchSharp.Utils;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class TensorAccessorTests
{
    private readonly Tensor turned = arange(6, float32).view(2, 3).t(); // 0 3 / 1 4 / 2 5, strides (1, 3)

    [TestMethod]
    public void Elements_come_in_row_major_order_whatever_the_strides()
    {
        TensorAccessor<float> elements = turned.data<float>();
        Assert.AreEqual(6, elements.Count);
        CollectionAssert.AreEqual(new float[] { 0, 3, 1, 4, 2, 5 }, elements.ToArray());
        CollectionAssert.AreEqual(new float[] { 0, 3, 1, 4, 2, 5 }, elements.ToList());
        Assert.AreEqual(4, elements[1, 1]);
        Assert.AreEqual(3, elements[1]);
        Assert.ThrowsExactly<IndexOutOfRangeException>(() => elements[6]);
        Assert.ThrowsExactly<IndexOutOfRangeException>(() => elements[3, 0]);
    }

    [TestMethod]
    public void Elements_are_copied_from_any_place_to_any_place()
    {
        var target = new float[4];
        turned.data<float>().CopyTo(target, 1, 2);
        CollectionAssert.AreEqual(new float[] { 0, 1, 4, 2 }, target);
        Span<float> span = stackalloc float[2];
        arange(6, float32).data<float>().CopyTo(span, 0, 4);
        Assert.AreEqual(4, span[0]);
        Assert.AreEqual(5, span[1]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => turned.data<float>().CopyTo(target, 0, 6));
    }

    [TestMethod]
    public void Elements_are_written()
    {
        Tensor x = zeros(2, 2);
        TensorAccessor<float> elements = x.data<float>();
        elements[1, 0] = 5;
        Assert.ThrowsExactly<IndexOutOfRangeException>(() => elements[1] = 4); // a place in row-major order is for reading
        elements.CopyFrom([7], 0, 3);
        Values.AreEqual([0, 0, 5, 7], x);
    }

    [TestMethod]
    public void Bytes_are_the_memory_itself()
    {
        Tensor x = zeros(2);
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(x.bytes)[1] = 3;
        Values.AreEqual([0, 3], x);
        x.bytes = new byte[8];
        Values.AreEqual([0, 0], x);
        Assert.ThrowsExactly<InvalidOperationException>(() => _ = turned.bytes.Length);
        Assert.ThrowsExactly<ArgumentException>(() => x.bytes = new byte[7]);
    }
}

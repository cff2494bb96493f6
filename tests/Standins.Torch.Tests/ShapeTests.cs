using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class ShapeTests
{
    private readonly Tensor x = arange(6, float32).view(2, 3);

    [TestMethod]
    public void A_tensor_tells_what_it_is()
    {
        Assert.AreEqual(2, x.ndim);
        Assert.AreEqual(2, x.dim());
        Assert.AreEqual(6, x.numel());
        Assert.AreEqual(6, x.NumberOfElements);
        Assert.AreEqual(3, x.size(1));
        Assert.AreEqual(3, x.size(-1));
        CollectionAssert.AreEqual(new long[] { 2, 3 }, x.size());
        CollectionAssert.AreEqual(new long[] { 3, 1 }, x.stride());
        Assert.AreEqual(4, x.element_size());
        Assert.AreEqual(DeviceType.CPU, x.device_type);
        Assert.AreEqual("cpu", x.device.ToString());
        Assert.IsFalse(x.is_cuda);
        Assert.IsFalse(x.is_pinned());
        Assert.IsFalse(x.requires_grad);
    }

    [TestMethod]
    public void Views_share_memory_and_copies_do_not()
    {
        Tensor view = x.view(6), copy = x.clone(), column = x.select(1, 1), alias = x.alias();
        x.add_(10);
        Values.AreEqual([10, 11, 12, 13, 14, 15], view);
        Values.AreEqual([10, 11, 12, 13, 14, 15], alias);
        Values.AreEqual([0, 1, 2, 3, 4, 5], copy);
        Values.AreEqual([11, 14], column);
    }

    [TestMethod]
    public void Dimensions_are_turned_added_and_removed()
    {
        Assert.IsFalse(x.t().is_contiguous());
        Assert.IsTrue(x.t().contiguous().is_contiguous());
        Values.AreEqual([0, 3, 1, 4, 2, 5], x.t());
        Values.AreEqual([0, 3, 1, 4, 2, 5], x.transpose(0, 1));
        Values.AreEqual([0, 3, 1, 4, 2, 5], x.permute(1, 0));
        Values.HasShape([2, 1, 3], x.unsqueeze(1));
        Values.HasShape([2, 3], x.unsqueeze(1).squeeze(1));
        Values.HasShape([2, 3], x.unsqueeze(0).squeeze());
        Values.HasShape([6], x.flatten());
        Values.HasShape([3, 2], x.reshape(3, -1));
        Values.HasShape([4, 2, 3], x.expand(4, 2, 3));
        Values.AreEqual([0, 4], x.diagonal());
        Values.AreEqual([0, 1, 0, 1], x[0, ..2].repeat(2));
        Values.AreEqual([2, 0, 1], x[0].roll(1));
        Values.AreEqual([3, 4, 5, 0, 1, 2], x.roll(1, 0));
        Values.AreEqual([1, 2, 4, 5], x.narrow(1, 1, 2));
    }

    [TestMethod]
    public void Tensors_are_joined_and_parted()
    {
        Values.AreEqual([0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5], cat([x, x], 1));
        Values.HasShape([4, 3], cat(new List<Tensor> { x, x }));
        Values.HasShape([4, 3], cat(new[] { x, x }));
        Values.HasShape([2, 2, 3], stack([x, x]));
        Values.AreEqual([1, 4], x.unbind(1)[1]);
        Values.AreEqual([2, 5], x.chunk(2, 1)[1]);
        Values.AreEqual([2, 5], x.split(2, 1)[1]);
        Values.AreEqual([1, 2, 4, 5], x.split([1, 2], 1)[1]);
    }

    [TestMethod]
    public void Triangles_are_cut_out()
    {
        Values.AreEqual([1, 0, 1, 1], ones(2, 2).tril());
        Values.AreEqual([0, 1, 0, 0], ones(2, 2).triu(1));
    }

    [TestMethod]
    public void Conversions_copy_only_when_they_must()
    {
        Tensor same = x.to(float32), other = x.to(float64), copy = x.to(float32, copy: true);
        x.fill_(1);
        Values.AreEqual([1, 1, 1, 1, 1, 1], same);
        Assert.AreEqual(5, other[1, 2].item<double>());
        Values.AreEqual([0, 1, 2, 3, 4, 5], copy);
        Values.AreEqual([1, 1, 1, 1, 1, 1], x.cpu());
        Values.AreEqual([1, 1, 1, 1, 1, 1], x.to(CPU));
        Assert.AreEqual(bfloat16, x.to(bfloat16, CPU).dtype);
        Tensor doomed = ones(1);
        Assert.AreEqual(int64, doomed.to(int64, disposeAfter: true).dtype);
        Assert.IsTrue(doomed.IsInvalid);
    }

    [TestMethod]
    public void Values_are_copied_across_element_types()
    {
        Tensor target = zeros(2, 3, bfloat16);
        Assert.AreSame(target, target.copy_(x));
        Values.AreEqual([0, 1, 2, 3, 4, 5], target);
    }
}

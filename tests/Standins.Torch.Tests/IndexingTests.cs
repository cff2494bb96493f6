using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class IndexingTests
{
    private readonly Tensor x = arange(24).view(2, 3, 4); // x[i, j, k] = 12i + 4j + k

    [TestMethod]
    public void Places_select_from_the_first_dimension_on()
    {
        Values.HasShape([3, 4], x[1]);
        Values.AreEqual([20, 21, 22, 23], x[1, 2]);
        Assert.AreEqual(23L, x[1, 2, 3].item<long>());
        Assert.AreEqual(23L, x[-1, -1, -1].item<long>());
        Assert.ThrowsExactly<ExternalException>(() => x[2]);
    }

    [TestMethod]
    public void Ranges_slice()
    {
        Values.AreEqual([4, 5, 8, 9], x[0, 1.., ..2]);
        Values.AreEqual([3, 7, 11], x[0, .., ^1]);
        Values.AreEqual([0, 2, 12, 14], x[TensorIndex.Colon, TensorIndex.Single(0), TensorIndex.Slice(step: 2)]);
        Values.AreEqual([13], x[TensorIndex.Slice(1), TensorIndex.Slice(0, 1), TensorIndex.Slice(1, 2)]);
        Values.AreEqual([2, 3], x[0, 0, ^2..]);
    }

    [TestMethod]
    public void An_ellipsis_stands_for_the_other_dimensions_and_none_makes_one()
    {
        Values.AreEqual([3, 7, 11, 15, 19, 23], x[TensorIndex.Ellipsis, 3]);
        Values.HasShape([2, 1, 3, 4], x[TensorIndex.Colon, TensorIndex.None]);
    }

    [TestMethod]
    public void Tensors_of_places_and_of_truths_pick()
    {
        Tensor rows = tensor(new long[] { 1, 0 }), columns = tensor(new long[] { 2, 0 });
        Values.AreEqual([20, 21, 22, 23, 0, 1, 2, 3], x[rows, columns]);
        Values.AreEqual([18, 19, 20, 21, 22, 23], x[x > 17]);
        Values.AreEqual([18, 19, 20, 21, 22, 23], x.masked_select(x > 17));
        Values.AreEqual([8, 9, 10, 11], x[TensorIndex.Single(0), TensorIndex.Tensor(tensor(new long[] { 2 }))]);
    }

    [TestMethod]
    public void What_is_assigned_to_a_place_lands_in_the_tensor()
    {
        Tensor y = zeros(2, 3);
        y[0] = ones(3);
        y[1, 2] = 5f;
        y[TensorIndex.Colon, TensorIndex.Slice(0, 1)] = tensor(new float[,] { { 7 }, { 8 } });
        Values.AreEqual([7, 1, 1, 8, 0, 5], y);
        y[tensor(new long[] { 1 })] = 9f;
        Values.AreEqual([7, 1, 1, 9, 9, 9], y);
    }

    [TestMethod]
    public void Gathers_take_and_scatters_put()
    {
        Tensor m = tensor(new float[,] { { 1, 2, 3 }, { 4, 5, 6 } });
        Tensor places = tensor(new long[,] { { 2, 0 }, { 1, 1 } });
        Values.AreEqual([3, 1, 5, 5], m.gather(1, places));
        Values.AreEqual([4, 5, 6, 1, 2, 3, 4, 5, 6], m.index_select(0, tensor(new long[] { 1, 0, 1 })));
        Values.AreEqual([20, 0, 10, 0, 40, 0], zeros(2, 3).scatter_(1, places, tensor(new float[,] { { 10, 20 }, { 30, 40 } })));
        Values.AreEqual([20, 0, 10, 0, 70, 0], zeros(2, 3).scatter_add_(1, places, tensor(new float[,] { { 10, 20 }, { 30, 40 } })));
        Values.AreEqual([5, 7, 9, 0, 0, 0], zeros(2, 3).index_add_(0, tensor(new long[] { 0, 0 }), m, 1));
    }
}

using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class FailureTests
{
    [TestMethod]
    public void Shapes_that_do_not_broadcast_fail_with_libtorchs_message()
    {
        ExternalException e = Assert.ThrowsExactly<ExternalException>(() => zeros(2) + zeros(3));
        StringAssert.Contains(e.Message, "The size of tensor a (2) must match the size of tensor b (3)");
    }

    [TestMethod]
    public void Shape_errors_of_products_and_views_are_ExternalExceptions()
    {
        Assert.ThrowsExactly<ExternalException>(() => F.linear(zeros(2, 3), zeros(4, 5)));
        Assert.ThrowsExactly<ExternalException>(() => zeros(2, 3).mm(zeros(2, 3)));
        Assert.ThrowsExactly<ExternalException>(() => zeros(2, 3).bmm(zeros(2, 3)));
        Assert.ThrowsExactly<ExternalException>(() => zeros(2, 3).view(4, 2));
        Assert.ThrowsExactly<ExternalException>(() => zeros(2, 3).addmm_(zeros(2, 2), zeros(3, 3)));
        Assert.ThrowsExactly<ExternalException>(() => zeros(4).narrow(0, 2, 3));
        Assert.ThrowsExactly<ExternalException>(() => zeros(4).index_select(0, tensor(new long[] { 4 })));
        Assert.ThrowsExactly<ExternalException>(() => zeros(2, 3).size(2));
        Assert.ThrowsExactly<ExternalException>(() => cat([zeros(2, 3), zeros(3, 2)]));
    }

    [TestMethod]
    public void After_a_failure_the_next_call_succeeds()
    {
        Assert.ThrowsExactly<ExternalException>(() => zeros(2) + zeros(3));
        Values.AreEqual([1, 1], zeros(2) + ones(2));
    }

    [TestMethod]
    public void A_disposed_tensor_refuses_work()
    {
        Tensor x = zeros(2);
        x.Dispose();
        Assert.ThrowsExactly<InvalidOperationException>(() => x + 1);
        Assert.ThrowsExactly<InvalidOperationException>(() => x.Handle);
        x.Dispose();
    }

    [TestMethod]
    public void Elements_are_read_as_what_they_are()
    {
        Tensor x = zeros(2);
        Assert.ThrowsExactly<ArgumentException>(() => x.data<double>());
        Assert.ThrowsExactly<ArgumentException>(() => x.item<float>());
        Assert.ThrowsExactly<ArgumentException>(() => zeros(2, ScalarType.BFloat16).data<float>());
    }

    [TestMethod]
    public void Too_few_elements_for_a_shape_are_refused() =>
        Assert.ThrowsExactly<ArgumentException>(() => tensor(new float[] { 1, 2, 3 }, [2, 2]));

    [TestMethod]
    public void Attention_refuses_a_mask_beside_the_causal_one() =>
        Assert.ThrowsExactly<ArgumentException>(() => F.scaled_dot_product_attention(zeros(1, 2, 2), zeros(1, 2, 2), zeros(1, 2, 2), zeros(2, 2), 0, true));

    [TestMethod]
    public void CUDA_is_refused_where_there_is_none()
    {
        if (cuda.is_available())
        {
            Assert.IsGreaterThan(0, cuda.device_count());
            cuda.synchronize();
            return;
        }

        Assert.AreEqual(0, cuda.device_count());
        Assert.ThrowsExactly<InvalidOperationException>(() => device("cuda:0"));
        Assert.ThrowsExactly<InvalidOperationException>(() => zeros(2).cuda());
        Assert.ThrowsExactly<InvalidOperationException>(() => zeros(2, device: new Device(DeviceType.CUDA, 0)));
        Assert.ThrowsExactly<InvalidOperationException>(() => _ = CUDA);
    }
}

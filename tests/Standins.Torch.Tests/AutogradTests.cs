using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class AutogradTests
{
    private DisposeScope scope = null!;

    [TestInitialize]
    public void Open() => scope = NewDisposeScope();

    [TestCleanup]
    public void Close() => scope.Dispose();

    // Central differences in float64: the error of (f(x+h) - f(x-h)) / 2h is h²·f'''/6, about 1e-11 for h = 1e-5
    // and derivatives near 1, plus rounding of 1e-16 / 1e-5; hence 1e-7.
    [TestMethod]
    [DataRow("arithmetic")]
    [DataRow("functions")]
    [DataRow("products")]
    [DataRow("attention")]
    [DataRow("normalisation")]
    [DataRow("losses")]
    [DataRow("shapes")]
    [DataRow("reductions")]
    public void Gradients_agree_with_central_differences(string family)
    {
        manual_seed(7);
        Tensor x = randn(3, 4, ScalarType.Float64);
        Func<Tensor, Tensor> f = family switch
        {
            "arithmetic" => t => ((t + 1) * t - t / (t * t + 2) + 3 - 2 * t).addcmul(t, t, 0.5).addcdiv(t, t.square() + 1, 2).sum(),
            "functions" => t => ((t.exp() + 1).log() + t.tanh() * t.sigmoid() + (t.square() + 1).sqrt() + (t.square() + 1).rsqrt()
                + t.abs() + F.gelu(t) + F.gelu(t, TorchSharp.Modules.GELU.Approximate.tanh) + (t.square() + 1).pow(1.5).reciprocal()).sum(),
            "products" => t => t.mm(t.t()).sum() + t.addmm(ones(3, 2, ScalarType.Float64), ones(2, 4, ScalarType.Float64) * t[0], 2, 3).square().sum()
                + F.linear(t, t * 2, t[TensorIndex.Colon, 0]).square().sum() + t.mv(t[1]).square().sum(),
            "attention" => t => F.scaled_dot_product_attention(
                t.view(1, 3, 4), t.view(1, 3, 4) * 2, t.view(1, 3, 4).exp(), is_casual: true).square().sum(),
            "normalisation" => t => F.layer_norm(t, [4], t[0].exp(), t[1], 1e-5).pow(3).sum() + t.softmax(1).square().sum(),
            "losses" => t => F.cross_entropy(t, tensor(new long[] { 0, 3, 2 }), label_smoothing: 0.1) + t.logsumexp(1).sum()
                + F.nll_loss(t.log_softmax(1), tensor(new long[] { 1, 1, 0 }), reduction: nn.Reduction.Sum) + F.mse_loss(t, zeros_like(t)),
            "shapes" => t => cat([t.narrow(0, 1, 2), t.index_select(0, tensor(new long[] { 2, 0 }))], 1).square().sum()
                + stack(t.unbind(1)).transpose(0, 1).reshape(2, 6).exp().sum() + t.gather(1, tensor(new long[,] { { 1 }, { 0 }, { 3 } })).pow(3).sum()
                + t.unsqueeze(0).expand(2, 3, 4).chunk(2, 0)[1].tanh().sum() + where(t > 0, t.square(), t.exp()).sum(),
            "reductions" => t => t.mean().square() + t.sum(1).square().sum() + t.mean([0]).pow(3).sum() + t.norm() + t.max(1).values.square().sum()
                + t.cumsum(1).square().sum() + t.var() + t.clamp(-0.5, 0.5).sum(),
            _ => throw new ArgumentException(family),
        };

        Tensor leaf = x.clone().requires_grad_();
        f(leaf).backward();
        double[] gradient = leaf.grad!.contiguous().data<double>().ToArray();
        double[] values = x.data<double>().ToArray();
        const double H = 1e-5;
        for (int i = 0; i < values.Length; i++)
        {
            double At(double shift)
            {
                double[] moved = [.. values];
                moved[i] += shift;
                using Tensor result = f(tensor(moved, [3, 4]));
                return result.item<double>();
            }

            Assert.AreEqual((At(H) - At(-H)) / (2 * H), gradient[i], 1e-7 * Math.Max(1, Math.Abs(gradient[i])), $"{family}, element {i}");
        }
    }

    [TestMethod]
    public void Views_of_one_buffer_stay_leaves_and_accumulate_in_place()
    {
        Tensor flat = tensor(new float[] { 1, 2, 3, 4, 5, 6 }), gradient = zeros(6);
        Tensor a = flat.narrow(0, 0, 4).view(2, 2).requires_grad_(), b = flat.narrow(0, 4, 2).requires_grad_();
        a.grad = gradient.narrow(0, 0, 4).view(2, 2);
        b.grad = gradient.narrow(0, 4, 2);
        Assert.IsTrue(a.is_leaf && b.is_leaf);
        Assert.IsFalse(flat.requires_grad);

        // y = Σ a·b (each row of a times b): ∂y/∂a = (b, b), ∂y/∂b = the column sums of a.
        (a * b).sum().backward();
        Values.AreEqual([5, 6, 5, 6, 4, 6], gradient);
        (a * b).sum().backward();
        Values.AreEqual([10, 12, 10, 12, 8, 12], gradient);

        // An update of the buffer is seen through the leaves.
        flat.add_(gradient, -0.1);
        Values.AreEqual([0, 0.8f, 2, 2.8f], a, 1e-6f);
        _ = gradient.zero_();
        Values.AreEqual([0, 0], b.grad!);
    }

    [TestMethod]
    public void A_leaf_has_no_gradient_before_backward_and_loses_it_when_it_is_taken_away()
    {
        Tensor x = ones(2).requires_grad_();
        Assert.IsNull(x.grad);
        x.sum().backward();
        Assert.IsNotNull(x.grad);
        x.grad = null;
        Assert.IsNull(x.grad);
    }

    [TestMethod]
    public void Nothing_is_recorded_without_grad_and_the_mode_comes_back()
    {
        Tensor x = ones(2).requires_grad_();
        using (no_grad())
        {
            Assert.IsFalse(is_grad_enabled());
            Assert.IsFalse((x * 2).requires_grad);
            x.add_(1);
            using (enable_grad()) Assert.IsTrue((x * 2).requires_grad);
            Assert.IsFalse(is_grad_enabled());
        }

        Assert.IsTrue(is_grad_enabled());
        Values.AreEqual([2, 2], x);
    }

    [TestMethod]
    public void Grad_mode_is_its_threads_own()
    {
        using IDisposable off = no_grad();
        bool elsewhere = false;
        var thread = new Thread(() => elsewhere = is_grad_enabled());
        thread.Start();
        thread.Join();
        Assert.IsTrue(elsewhere);
    }

    [TestMethod]
    public void A_tensor_made_in_inference_mode_is_never_recorded()
    {
        Tensor x = ones(2).requires_grad_(), y;
        using (inference_mode()) y = x * 2;
        Assert.IsFalse(y.requires_grad);
        Assert.ThrowsExactly<ExternalException>(() => y.requires_grad = true);
        Assert.IsTrue((x * 2).requires_grad);
    }

    [TestMethod]
    public void Changing_a_leaf_in_place_while_recording_is_refused()
    {
        Tensor x = ones(2).requires_grad_();
        ExternalException e = Assert.ThrowsExactly<ExternalException>(() => x.add_(1));
        StringAssert.Contains(e.Message, "leaf Variable");
    }

    [TestMethod]
    public void A_graph_is_used_up_by_backward_unless_it_is_retained()
    {
        Tensor x = ones(2).requires_grad_(), y = x.exp().sum();
        y.backward(retain_graph: true);
        y.backward();
        Values.AreEqual([2 * MathF.E, 2 * MathF.E], x.grad!, 1e-6f);
        Assert.ThrowsExactly<ExternalException>(() => y.backward());
    }

    [TestMethod]
    public void A_gradient_can_be_given_to_backward()
    {
        Tensor x = tensor(new float[] { 1, 2, 3 }).requires_grad_();
        (x * x).backward([tensor(new float[] { 1, 10, 100 })]);
        Values.AreEqual([2, 40, 600], x.grad!); // 2x · given
    }

    [TestMethod]
    public void Gradients_can_be_asked_for_without_accumulating()
    {
        Tensor x = tensor(new float[] { 2, 3 }).requires_grad_(), unused = ones(1).requires_grad_();
        Tensor y = x.pow(3).sum();
        IList<Tensor> first = autograd.grad([y], [x], create_graph: true);
        Values.AreEqual([12, 27], first[0]);                                   // 3x²
        Values.AreEqual([12, 18], autograd.grad([first[0].sum()], [x])[0]);    // 6x
        Assert.IsNull(x.grad);
        // Without allow_unused the original ends the process: its native grad has no try/catch.
        Assert.IsTrue(autograd.grad([(x * 2).sum()], [unused], allow_unused: true)[0].IsInvalid);
    }

    [TestMethod]
    public void Detaching_cuts_the_graph_and_shares_the_memory()
    {
        Tensor x = ones(2).requires_grad_(), y = x * 3, cut = y.detach();
        Assert.IsFalse(cut.requires_grad);
        cut.fill_(7);
        Values.AreEqual([7, 7], y);
    }

    [TestMethod]
    public void An_inner_tensor_keeps_its_gradient_when_asked()
    {
        Tensor x = ones(2).requires_grad_(), y = x * 3;
        Assert.IsFalse(y.is_leaf);
        y.retain_grad();
        y.square().sum().backward();
        Values.AreEqual([6, 6], y.grad!);
    }

    [TestMethod]
    public void Gradients_flow_in_bfloat16()
    {
        Tensor x = ones(2, 2, ScalarType.BFloat16).requires_grad_();
        (x.mm(x) * 2).sum().backward();
        Assert.AreEqual(ScalarType.BFloat16, x.grad!.dtype);
        Values.AreEqual([8, 8, 8, 8], x.grad!); // 2 · (1ᵀX + X1ᵀ) = 2 · (2 + 2)
    }
}

using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class FunctionalTests
{
    [TestMethod]
    public void Attention_is_the_softmax_of_scaled_products_times_values()
    {
        manual_seed(2);
        const int B = 2, H = 3, L = 4, S = 5, D = 8;
        Tensor q = randn(B, H, L, D), k = randn(B, H, S, D), v = randn(B, H, S, D);
        Tensor seen = rand(L, S) > 0.4, added = randn(L, S);
        seen[.., 0] = true;
        Check(F.scaled_dot_product_attention(q, k, v), (_, _) => 0);
        Check(F.scaled_dot_product_attention(q, k, v, is_casual: true), (i, j) => j <= i ? 0 : double.NegativeInfinity);
        Check(F.scaled_dot_product_attention(q, k, v, seen), (i, j) => seen[i, j].item<bool>() ? 0 : double.NegativeInfinity);
        Check(F.scaled_dot_product_attention(q, k, v, added), (i, j) => added[i, j].item<float>());

        void Check(Tensor actual, Func<int, int, double> mask)
        {
            Values.HasShape([B, H, L, D], actual);
            TorchSharp.Utils.TensorAccessor<float> qs = q.data<float>(), ks = k.data<float>(), vs = v.data<float>(), result = actual.contiguous().data<float>();
            for (int b = 0; b < B; b++)
            {
                for (int h = 0; h < H; h++)
                {
                    for (int i = 0; i < L; i++)
                    {
                        double[] weights = [.. Enumerable.Range(0, S).Select(j =>
                            Math.Exp(mask(i, j) + Enumerable.Range(0, D).Sum(d => (double)qs[b, h, i, d] * ks[b, h, j, d]) / Math.Sqrt(D)))];
                        for (int d = 0; d < D; d++)
                        {
                            double expected = Enumerable.Range(0, S).Sum(j => weights[j] * vs[b, h, j, d]) / weights.Sum();
                            Assert.AreEqual(expected, result[b, h, i, d], 2e-6); // 40 products and sums in float32
                        }
                    }
                }
            }
        }
    }

    [TestMethod]
    public void A_query_that_sees_nothing_attends_to_nothing()
    {
        Tensor seen = tensor(new[,] { { true, true }, { false, false } });
        Tensor q = ones(1, 2, 4).requires_grad_(), k = arange(8, float32).view(1, 2, 4).requires_grad_();
        Tensor y = F.scaled_dot_product_attention(q, k, ones(1, 2, 4), seen);
        Values.AreEqual([1, 1, 1, 1, 0, 0, 0, 0], y, 1e-6f);
        y.square().sum().backward();
        Values.AreEqual([0, 0, 0, 0], q.grad![0, 1]);
        Assert.IsTrue(k.grad!.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void A_mask_and_the_keys_of_one_row_serve_every_row_and_head()
    {
        manual_seed(9);
        Tensor q = randn(2, 3, 4, 8), k = randn(1, 3, 5, 8), v = randn(1, 3, 5, 8), added = randn(2, 1, 4, 5);
        Tensor all = F.scaled_dot_product_attention(q, k.expand(2, 3, 5, 8), v.expand(2, 3, 5, 8), added.expand(2, 3, 4, 5));
        Tensor broadcast = F.scaled_dot_product_attention(q, k, v, added);
        Assert.IsTrue(allclose(all, broadcast, 1e-5, 1e-6));
    }

    [TestMethod]
    public void Attention_dropout_zeroes_weights_and_scales_the_rest()
    {
        manual_seed(4);
        // With equal scores every weight is 1/S; dropped at 1/2 the rest are 2/S, so that with values of one each
        // output is a whole number of 2/S.
        Tensor y = F.scaled_dot_product_attention(zeros(1, 50, 4), zeros(1, 8, 4), ones(1, 8, 4), p: 0.5);
        float[] eighths = [.. Values.Of(y).Select(value => value * 4)];
        Assert.IsTrue(eighths.All(value => Math.Abs(value - MathF.Round(value)) < 1e-5));
        Assert.IsGreaterThan(1, eighths.Select(value => MathF.Round(value)).Distinct().Count());
    }

    [TestMethod]
    public void Layer_norm_centres_and_scales()
    {
        Tensor x = tensor(new float[,] { { 1, 3 } }); // mean 2, variance 1
        Values.AreEqual([-1, 1], F.layer_norm(x, [2], eps: 0), 1e-6f);
        Values.AreEqual([-2 + 10, 3 + 20], F.layer_norm(x, [2], tensor(new float[] { 2, 3 }), tensor(new float[] { 10, 20 }), 0), 1e-5f);
    }

    [TestMethod]
    public void GELU_has_its_two_forms()
    {
        Tensor x = tensor(new float[] { -1, 0.5f, 2 });
        // x·Φ(x) with Φ(-1) = 0.15865525, Φ(0.5) = 0.69146246, Φ(2) = 0.97724987.
        Values.AreEqual([-0.15865525f, 0.34573123f, 1.9544997f], F.gelu(x), 1e-6f);
        float[] tanh = [.. Values.Of(x).Select(v => 0.5f * v * (1 + MathF.Tanh(MathF.Sqrt(2 / MathF.PI) * (v + 0.044715f * v * v * v))))];
        Values.AreEqual(tanh, F.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh), 1e-6f);
        Values.AreEqual([-0.15865525f, 0.34573123f, 1.9544997f], F.gelu(x, TorchSharp.Modules.GELU.Approximate.none), 1e-6f);
        using TorchSharp.Modules.GELU module = nn.GELU(TorchSharp.Modules.GELU.Approximate.tanh);
        Values.AreEqual(tanh, module.call(x), 1e-6f);
        Values.AreEqual(tanh, module.forward(x), 1e-6f);
        Values.AreEqual(tanh, ((nn.IModule<Tensor, Tensor>)module).call(x), 1e-6f);
    }

    [TestMethod]
    public void Linear_multiplies_by_the_transpose_and_adds()
    {
        Tensor x = tensor(new float[,] { { 1, 2 } }), w = tensor(new float[,] { { 3, 4 }, { 5, 6 }, { 7, 8 } });
        Values.AreEqual([11, 17, 23], F.linear(x, w));
        Values.AreEqual([12, 17, 22], F.linear(x, w, tensor(new float[] { 1, 0, -1 })));
    }

    [TestMethod]
    public void Cross_entropy_is_the_mean_negative_log_probability()
    {
        Tensor logits = tensor(new float[,] { { 0, 0 }, { MathF.Log(3), 0 } }), target = tensor(new long[] { 1, 0 });
        // probabilities 1/2 and 3/4
        Assert.AreEqual((MathF.Log(2) + MathF.Log(4f / 3)) / 2, F.cross_entropy(logits, target).item<float>(), 1e-6);
        Values.AreEqual([MathF.Log(2), MathF.Log(4f / 3)], F.cross_entropy(logits, target, reduction: nn.Reduction.None), 1e-6f);
        Assert.AreEqual(MathF.Log(4f / 3), F.cross_entropy(logits, tensor(new long[] { -100, 0 })).item<float>(), 1e-6);
        // Smoothed by 0.2 each class has at least 0.1: 0.9·ln(4/3) + 0.1·ln 4.
        Assert.AreEqual(0.9f * MathF.Log(4f / 3) + 0.1f * MathF.Log(4), F.cross_entropy(logits[1..], target[1..], label_smoothing: 0.2).item<float>(), 1e-6);
    }

    [TestMethod]
    public void Dropout_zeroes_and_scales_in_training_only()
    {
        manual_seed(6);
        Tensor x = ones(10_000);
        Values.AreEqual(Values.Of(x), F.dropout(x, 0.25, training: false));
        float[] dropped = Values.Of(F.dropout(x, 0.25, training: true));
        Assert.IsTrue(dropped.All(v => v is 0 || Math.Abs(v - 4f / 3) < 1e-6));
        Assert.AreEqual(0.25, dropped.Count(v => v == 0) / 10_000.0, 0.022); // five standard errors of √(0.25·0.75/10⁴)
    }
}

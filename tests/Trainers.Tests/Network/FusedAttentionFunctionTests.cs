using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>Attention by vectors against the definition in float64. A processor without them takes libtorch's, and there is nothing to test.</summary>
[TestClass]
public sealed class FusedAttentionFunctionTests
{
    [TestMethod]
    [DataRow(1, 64, 1, 64)]
    [DataRow(2, 64, 3, 32)]
    [DataRow(3, 128, 2, 64)]
    [DataRow(1, 192, 5, 128)]
    [DataRow(2, 256, 4, 32)]
    [DataRow(1, 1024, 2, 64)]
    public void The_result_and_its_gradient_are_those_of_whole_matrices(int b, int t, int h, int d)
    {
        VectorWidths.Each(() =>
        {
            Assert.IsTrue(AttentionKernel.Takes(t, d, null));
            // float32: sums of up to 1,024 products. bfloat16: computed in float32 and rounded to 8 bits at the end, the result on its way into the gradient too.
            Compare(b, t, h, d, ScalarType.Float32, 3e-6);
            Compare(b, t, h, d, ScalarType.BFloat16, 4e-3);
        });
    }

    private static void Compare(int b, int t, int h, int d, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        manual_seed(b + t + d);
        Tensor values = randn(b * t, 3 * h * d).to(type), gradient = randn(b * t, h * d).to(type);
        Tensor exact = values.to(ScalarType.Float64).requires_grad_(), fast = values.clone().requires_grad_();
        Tensor expected = AttentionDefinition.Of(exact, b, t, h, null), found = FusedAttentionFunction.Of(fast, b, t, h);
        Assert.AreEqual(type, found.dtype);
        using (no_grad()) Assert.IsTrue(found.detach().Equals(FusedAttentionFunction.Of(fast, b, t, h)), "without a gradient");
        AttentionDefinition.AreClose(expected, found, tolerance, $"{type} result");
        expected.backward([gradient.to(ScalarType.Float64)]);
        BackwardPass.Run(found, gradient);
        AttentionDefinition.AreClose(exact.grad!, fast.grad!, tolerance, $"{type} gradient");
    }

    [TestMethod]
    public void Scores_far_apart_stay_finite() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        Tensor qkv = (randn(128, 3 * 64) * 100).requires_grad_(), exact = qkv.detach().to(ScalarType.Float64);
        Tensor found = FusedAttentionFunction.Of(qkv, 1, 128, 1);
        AttentionDefinition.AreClose(AttentionDefinition.Of(exact, 1, 128, 1, null), found, 1e-3, "result");
        BackwardPass.Run(found, ones(128, 64));
        Assert.IsTrue(qkv.grad!.isfinite().all().ToBoolean());
    });

    // Queries from 70 on have no finite score for key 70: their product is infinite, or no number at all.
    [TestMethod]
    [DataRow(3e38f)]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void Scores_that_overflow_give_no_number_as_by_definition(float key) => VectorWidths.Each(() =>
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        Tensor qkv = rand(128, 3 * 64) + 1;
        qkv.narrow(0, 70, 1).narrow(1, 64, 64).fill_(key);
        using var noGradient = no_grad();
        Tensor expected = AttentionDefinition.Of(qkv, 1, 128, 1, null).isnan(), found = FusedAttentionFunction.Of(qkv, 1, 128, 1).isnan();
        Assert.IsTrue(expected.narrow(0, 0, 70).logical_not().all().ToBoolean());
        Assert.IsTrue(expected.narrow(0, 70, 58).all().ToBoolean());
        Assert.IsTrue(found.Equals(expected));
    });

    [TestMethod]
    public void What_a_query_does_not_see_has_no_bearing_on_it() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        Tensor qkv = randn(128, 3 * 64), other = qkv.clone();
        other.narrow(0, 77, 51).copy_(randn(51, 3 * 64) * 50);
        using var noGradient = no_grad();
        Tensor one = FusedAttentionFunction.Of(qkv, 1, 128, 1), two = FusedAttentionFunction.Of(other, 1, 128, 1);
        Assert.IsTrue(one.narrow(0, 0, 77).Equals(two.narrow(0, 0, 77)));
        Assert.IsFalse(one.narrow(0, 77, 1).Equals(two.narrow(0, 77, 1)));
    });

    // The second of two queries without scores gets the mean of two values: 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷, 1 + 3·2⁻⁸ between that and 1 + 2⁻⁶.
    [TestMethod]
    public void A_result_in_the_middle_of_two_numbers_of_bfloat16_becomes_the_even_one() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        Tensor qkv = zeros(64, 3 * 64);
        qkv.narrow(0, 0, 2).narrow(1, 128, 32).copy_(tensor((float[])[1, 1.0078125f]).unsqueeze(1));
        qkv.narrow(0, 0, 2).narrow(1, 160, 32).copy_(tensor((float[])[1.0078125f, 1.015625f]).unsqueeze(1));
        Tensor means = FusedAttentionFunction.Of(qkv.to(ScalarType.BFloat16), 1, 64, 1)[1].to(ScalarType.Float32);
        Assert.IsTrue(means.narrow(0, 0, 32).eq(1).all().ToBoolean());
        Assert.IsTrue(means.narrow(0, 32, 32).eq(1.015625f).all().ToBoolean());
    });

    [TestMethod]
    public void The_number_of_threads_changes_no_bit() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        Tensor qkv = randn(2 * 128, 3 * 3 * 64), gradient = randn(2 * 128, 3 * 64);
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            (Tensor y, Tensor dqkv) = Run();
            set_num_threads(4);
            for (int i = 0; i < 5; i++)
            {
                (Tensor y4, Tensor dqkv4) = Run();
                Assert.IsTrue(y.Equals(y4));
                Assert.IsTrue(dqkv.Equals(dqkv4));
            }
        }
        finally
        {
            set_num_threads(threads);
        }

        (Tensor, Tensor) Run()
        {
            Tensor x = qkv.clone().requires_grad_();
            Tensor y = FusedAttentionFunction.Of(x, 2, 128, 3);
            BackwardPass.Run(y, gradient);
            return (y.detach(), x.grad!);
        }
    });

    [TestMethod]
    [DataRow(64, 64, null, true)]
    [DataRow(1024, 128, null, true)]
    [DataRow(128, 32, null, true)]
    [DataRow(100, 64, null, false)]
    [DataRow(0, 64, null, false)]
    [DataRow(2048, 64, null, true)]
    [DataRow(4096, 64, null, false)]
    [DataRow(128, 48, null, false)]
    [DataRow(128, 96, null, false)]
    [DataRow(128, 64, 128, true)]    // a band that hides nothing
    [DataRow(128, 64, 127, false)]
    public void Forms_that_its_tiles_do_not_fit_are_left_to_others(int t, int d, int? band, bool taken) => Assert.AreEqual(taken && AttentionKernel.IsAvailable, AttentionKernel.Takes(t, d, band));
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>Attention in blocks against the definition on whole matrices in float64: softmax(Q·Kᵀ/√D + mask)·V.</summary>
[TestClass]
public sealed class CausalAttentionFunctionTests
{
    [TestMethod]
    [DataRow(2, 5, 3, 8, null)]
    [DataRow(1, 128, 2, 16, null)]       // one full block
    [DataRow(2, 129, 2, 16, null)]       // and one query more
    [DataRow(1, 300, 2, 20, null)]
    [DataRow(1, 300, 2, 16, 1)]          // each position sees itself alone
    [DataRow(2, 300, 2, 16, 40)]
    [DataRow(1, 300, 1, 16, 200)]        // a band across blocks
    [DataRow(1, 40, 1, 16, 500)]         // wider than the row
    public void The_result_and_its_gradient_are_those_of_whole_matrices(int b, int t, int h, int d, int? band)
    {
        // float32: sums of up to 300 products. bfloat16: 8 bits for the scores, the probabilities and their gradients.
        Compare(b, t, h, d, band, ScalarType.Float32, 3e-6);
        Compare(b, t, h, d, band, ScalarType.BFloat16, 2e-2);
    }

    [TestMethod]
    public void Scores_far_apart_stay_finite()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        Tensor qkv = randn(200, 3 * 16) * 100;
        Tensor found = CausalAttentionFunction.Of(qkv, 1, 200, 1, null);
        AttentionDefinition.AreClose(AttentionDefinition.Of(qkv.to(ScalarType.Float64), 1, 200, 1, null), found, 1e-4, "result");
    }

    [TestMethod]
    public void Without_a_gradient_and_with_one_never_used_no_tensor_stays()
    {
        Run();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int i = 0; i < 20; i++) Run();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        static void Run()
        {
            using var scope = NewDisposeScope();
            Tensor qkv = randn(150, 3 * 16).requires_grad_();
            using (no_grad()) CausalAttentionFunction.Of(qkv, 1, 150, 2, null);
            BackwardPass.Run(CausalAttentionFunction.Of(qkv, 1, 150, 2, null), ones(150, 16));
        }
    }

    private static void Compare(int b, int t, int h, int d, int? band, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        manual_seed(b + t + d);
        Tensor values = randn(b * t, 3 * h * d).to(type), gradient = randn(b * t, h * d).to(type);
        Tensor exact = values.to(ScalarType.Float64).requires_grad_(), fast = values.clone().requires_grad_();
        Tensor expected = AttentionDefinition.Of(exact, b, t, h, band), found = CausalAttentionFunction.Of(fast, b, t, h, band);
        AttentionDefinition.AreClose(expected, found, tolerance, $"{type} result");
        expected.backward([gradient.to(ScalarType.Float64)]);
        BackwardPass.Run(found, gradient);
        AttentionDefinition.AreClose(exact.grad!, fast.grad!, tolerance, $"{type} gradient");
    }
}

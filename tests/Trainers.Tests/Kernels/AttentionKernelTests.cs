using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Kernels;

[TestClass]
public sealed class AttentionKernelTests
{
    // Lengths that are and are not whole vectors, tiles of four queries or blocks of 128; head sizes of one vector, of several and of a wide product.
    private static IEnumerable<object[]> Shapes =>
    [
        [2L, 64L, 3L, 32L, int.MaxValue], [1L, 37L, 2L, 16L, int.MaxValue], [2L, 130L, 1L, 64L, int.MaxValue], [1L, 1L, 2L, 16L, int.MaxValue],
        [2L, 70L, 2L, 80L, int.MaxValue], [1L, 75L, 2L, 32L, 20], [1L, 256L, 2L, 64L, 33],
    ];

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void Attention_without_kept_probabilities_equals_whole_matrices_forward_and_backward(long b, long t, long h, long d, int band) =>
        Compare(new(b, t, h, d, band), ScalarType.Float32, 2e-6, FusedAttentionFunction.Of);

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void Attention_in_blocks_equals_whole_matrices_forward_and_backward(long b, long t, long h, long d, int band) =>
        Compare(new(b, t, h, d, band), ScalarType.Float32, 2e-6, CausalAttentionFunction.Of);

    // bfloat16 rounds scores, probabilities and results to 8 bits: 2^-9 of each number, and a few of them add up.
    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void Attention_in_bfloat16_equals_whole_matrices_to_its_rounding(long b, long t, long h, long d, int band) =>
        Compare(new(b, t, h, d, band), ScalarType.BFloat16, 1.5e-2, CausalAttentionFunction.Of);

    [TestMethod]
    public void Attention_of_a_head_size_without_whole_vectors_is_computed_in_blocks()
    {
        Assert.IsFalse(AttentionKernel.Takes(20));
        Compare(new(2, 33, 2, 20, int.MaxValue), ScalarType.Float32, 2e-6, CausalAttentionFunction.Of);
    }

    [TestMethod]
    public void Scores_far_apart_neither_overflow_nor_vanish()
    {
        using var scope = NewDisposeScope();
        var shape = new AttentionShape(1, 48, 1, 16, int.MaxValue);
        Tensor qkv = KernelCases.Numbers(5, ScalarType.Float32, 48, 48) * 30;                     // scores of some ±1,000
        KernelCases.AreClose(KernelCases.Attention(qkv.to(ScalarType.Float64), shape), FusedAttentionFunction.Of(qkv, shape), 1e-4, "fused");
        KernelCases.AreClose(KernelCases.Attention(qkv.to(ScalarType.Float64), shape), CausalAttentionFunction.Of(qkv, shape), 1e-4, "blocks");
    }

    [TestMethod]
    public void The_number_of_threads_changes_no_bit()
    {
        using var scope = NewDisposeScope();
        var shape = new AttentionShape(2, 96, 4, 32, int.MaxValue);
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            float[][] one = Run();
            set_num_threads(3);
            float[][] three = Run();
            for (int i = 0; i < one.Length; i++) CollectionAssert.AreEqual(one[i], three[i]);
        }
        finally
        {
            set_num_threads(threads);
        }

        float[][] Run()
        {
            Tensor normalizers = empty([8, 96], ScalarType.Float32), qkv = KernelCases.Numbers(1, ScalarType.Float32, 192, 384);
            Tensor y = AttentionKernel.Forward(qkv, shape, normalizers);
            Tensor gradient = AttentionKernel.Backward(qkv, normalizers, KernelCases.Numbers(2, ScalarType.Float32, 192, 128), shape);
            Tensor bias = zeros([512], ScalarType.Float32), h = KernelCases.Numbers(3, ScalarType.Float32, 700, 512);
            Tensor dh = GeluKernel.Backward(h, KernelCases.Numbers(4, ScalarType.Float32, 512), h, bias);
            return [y.data<float>().ToArray(), gradient.data<float>().ToArray(), bias.data<float>().ToArray(), dh.data<float>().ToArray()];
        }
    }

    private static void Compare(AttentionShape shape, ScalarType type, double tolerance, Func<Tensor, AttentionShape, Tensor> attention)
    {
        using var scope = NewDisposeScope();
        long c = shape.Heads * shape.HeadSize, rows = shape.Rows * shape.Length;
        Tensor values = KernelCases.Numbers(1, type, rows, 3 * c), gradient = KernelCases.Numbers(2, type, rows, c);
        Tensor expectedInput = values.to(ScalarType.Float64).requires_grad_(), input = values.detach().requires_grad_();
        Tensor expected = KernelCases.Attention(expectedInput, shape), found = attention(input, shape);
        KernelCases.AreClose(expected, found, tolerance, "result");
        expected.backward([gradient.to(ScalarType.Float64)]);
        BackwardPass.Run(found, gradient);
        KernelCases.AreClose(expectedInput.grad!, input.grad!, tolerance, "gradient");
    }
}

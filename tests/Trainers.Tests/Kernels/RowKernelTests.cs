using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Kernels;

[TestClass]
public sealed class RowKernelTests
{
    // 45 columns: two whole vectors and a rest.
    [TestMethod]
    [DataRow(ScalarType.Float32, 45L, 2e-6)]
    [DataRow(ScalarType.Float32, 128L, 2e-6)]
    [DataRow(ScalarType.BFloat16, 45L, 8e-3)]     // the result is rounded to 2^-9 of itself
    [DataRow(ScalarType.BFloat16, 512L, 8e-3)]
    public void Gelu_and_its_gradients_equal_the_formula_in_float64(ScalarType type, long columns, double tolerance)
    {
        using var scope = NewDisposeScope();
        Tensor h = KernelCases.Numbers(1, type, 300, columns) * 3, bias = KernelCases.Numbers(2, ScalarType.Float32, columns), dy = KernelCases.Numbers(3, type, 300, columns);
        Tensor z = h.to(ScalarType.Float64).requires_grad_(), b = bias.to(ScalarType.Float64).requires_grad_();
        Tensor sum = z + b, expected = 0.5 * sum * (1 + (Math.Sqrt(2 / Math.PI) * (sum + (0.044715 * sum * sum * sum))).tanh());
        KernelCases.AreClose(expected, GeluKernel.Forward(h, bias), tolerance, "result");
        expected.backward([dy.to(ScalarType.Float64)]);
        Tensor biasGradient = ones_like(bias);
        KernelCases.AreClose(z.grad!, GeluKernel.Backward(h, bias, dy, biasGradient), tolerance, "gradient");
        KernelCases.AreClose(b.grad! + 1, biasGradient, 1e-5, "the bias's gradient is added to what was there");
    }

    [TestMethod]
    [DataRow(ScalarType.Float32, 45L, 3e-6)]
    [DataRow(ScalarType.Float32, 384L, 3e-6)]
    [DataRow(ScalarType.BFloat16, 45L, 8e-3)]
    public void Layer_normalisation_and_its_gradients_equal_libtorchs_in_float64(ScalarType type, long columns, double tolerance)
    {
        using var scope = NewDisposeScope();
        Tensor x = (KernelCases.Numbers(1, ScalarType.Float32, 130, columns) * 2) + 5, gain = KernelCases.Numbers(2, ScalarType.Float32, columns), bias = KernelCases.Numbers(3, ScalarType.Float32, columns);
        Tensor dy = KernelCases.Numbers(4, type, 130, columns), moments = empty([130, 2], ScalarType.Float32);
        Tensor wide = x.to(ScalarType.Float64).requires_grad_(), g = gain.to(ScalarType.Float64).requires_grad_(), b = bias.to(ScalarType.Float64).requires_grad_();
        Tensor expected = nn.functional.layer_norm(wide, [columns], g, b, 1e-5);
        KernelCases.AreClose(expected, LayerNormKernel.Forward(x, gain, bias, 1e-5, type, moments), tolerance, "result");
        expected.backward([dy.to(ScalarType.Float64)]);
        Tensor gainGradient = ones_like(bias), biasGradient = ones_like(bias);
        KernelCases.AreClose(wide.grad!, LayerNormKernel.Backward(x, gain, moments, dy, gainGradient, biasGradient), 1e-5, "gradient");
        KernelCases.AreClose(g.grad! + 1, gainGradient, 1e-5, "the gain's gradient");
        KernelCases.AreClose(b.grad! + 1, biasGradient, 1e-5, "the bias's gradient");
    }

    [TestMethod]
    public void The_exponential_is_right_to_a_few_units_of_the_last_place_and_keeps_infinity_and_nan()
    {
        var values = new float[16];
        for (double from = -87; from < 88.7; from += 0.37)
        {
            for (int i = 0; i < 16; i++) values[i] = (float)(from + (i * 0.0231));
            System.Runtime.Intrinsics.Vector512<float> found = FastExp.Of(System.Runtime.Intrinsics.Vector512.Create<float>(values));
            for (int i = 0; i < 16 && values[i] < 88.7; i++) Assert.AreEqual(1, found[i] / Math.Exp(values[i]), 3e-7, $"e^{values[i]}");
        }

        Assert.AreEqual(float.PositiveInfinity, Exp(float.PositiveInfinity));
        Assert.AreEqual(float.PositiveInfinity, Exp(89));
        Assert.IsTrue(Exp(float.NegativeInfinity) is >= 0 and < 1.3e-38f);
        Assert.IsTrue(float.IsNaN(Exp(float.NaN)));

        static float Exp(float x) => FastExp.Of(System.Runtime.Intrinsics.Vector512.Create(x))[0];
    }

    [TestMethod]
    public unsafe void Bfloat16_is_rounded_as_libtorch_rounds_it()
    {
        using var scope = NewDisposeScope();
        // 2^-8 above 1 lies halfway between two numbers of 8 bits, at either parity; then numbers that round into the next power, and what is no number.
        float[] special = [1 + (1 / 256f), 1 + (3 / 256f), 1.9999999f, -1.9999999f, float.MaxValue, 1e-40f, float.PositiveInfinity, float.NegativeInfinity, 0, -0f, 3.14159f, -2.71828f, 1e30f, 65504, 0.1f, -0.3f];
        float[] values = [.. special, .. KernelCases.Numbers(1, ScalarType.Float32, 4096).data<float>().ToArray()];
        float[] expected = [.. tensor(values).to(ScalarType.BFloat16).to(ScalarType.Float32).data<float>().ToArray()];
        var narrow = new ushort[values.Length];
        fixed (float* from = values)
        fixed (ushort* to = narrow)
        {
            for (nint i = 0; i < values.Length; i += 16) BFloat16Element.Store(to, i, System.Runtime.Intrinsics.Vector512.Load(from + i));
            for (nint i = 0; i < values.Length; i += 16)
                for (int k = 0; k < 16; k++) Assert.AreEqual(expected[i + k], BFloat16Element.Load(to, i)[k], $"{values[i + k]}");
            for (nint i = 0; i < values.Length; i++)
            {
                BFloat16Element.StoreOne(to, i, from[i]);
                Assert.AreEqual(expected[i], BFloat16Element.LoadOne(to, i), $"{values[i]}");
            }

            BFloat16Element.Store(to, 0, System.Runtime.Intrinsics.Vector512.Create(BitConverter.UInt32BitsToSingle(0x7FFF_FFFF)));
            Assert.IsTrue(float.IsNaN(BFloat16Element.LoadOne(to, 0)), "a NaN whose rounding would carry");
        }
    }

    [TestMethod]
    public void A_kernel_refuses_tensors_that_are_not_contiguous()
    {
        using var scope = NewDisposeScope();
        Assert.ThrowsExactly<ArgumentException>(() => GeluKernel.Forward(zeros([16, 32], ScalarType.Float32).t(), zeros([16], ScalarType.Float32)));
    }
}

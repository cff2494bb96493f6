using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class GeluFunctionTests
{
    private const int Count = 1 << 18;   // two threads' worth

    [TestInitialize]
    public void Initialize() => TorchRuntime.Initialize();

    // Against the definition in float64, from where GELU is 0 to where it is x: 2^18 numbers a step of 1/10,000 apart, and some far out.
    [TestMethod]
    public void Values_and_gradients_are_those_of_float64() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        Tensor x = arange(-Count / 2, Count / 2, ScalarType.Float32).mul(1e-4f);
        x.narrow(0, 0, 4).copy_(tensor((float[])[-1e4f, -60, 60, 1e4f]));
        Tensor upstream = randn(Count);
        Assert.IsTrue(GeluKernel.Takes(x));
        (Tensor y, Tensor dx) = Both(x, upstream, GeluFunction.Of);
        (Tensor expected, Tensor gradient) = Both(x.to(ScalarType.Float64), upstream.to(ScalarType.Float64), Definition);
        AssertNear(expected, y, 1e-6);
        AssertNear(gradient, dx, 4e-6);   // its terms reach 13·upstream before they cancel
    });

    // bfloat16 keeps 8 bits: the float32 result, rounded to the nearest, ties to even, as libtorch rounds.
    [TestMethod]
    public void BFloat16_is_computed_in_float32_and_rounded_once() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(Count).mul(3).to(ScalarType.BFloat16), upstream = randn(Count).to(ScalarType.BFloat16);
        (Tensor y, Tensor dx) = Both(x, upstream, GeluFunction.Of);
        (Tensor wide, Tensor gradient) = Both(x.to(ScalarType.Float64), upstream.to(ScalarType.Float64), Definition);
        Assert.AreEqual(ScalarType.BFloat16, y.dtype);
        AssertRounded(wide, y);
        AssertRounded(gradient, dx);

        static void AssertRounded(Tensor expected, Tensor actual)
        {
            Tensor rounded = expected.to(ScalarType.Float32).to(ScalarType.BFloat16);
            double share = rounded.eq(actual).to(ScalarType.Float64).mean().item<double>();
            Assert.IsGreaterThan(0.999, share);   // others lie so near the middle of two that float32's last bits decide
            Tensor far = (expected - actual.to(ScalarType.Float64)).abs().sub(expected.abs().mul(1.0 / 255)).max();
            Assert.IsLessThan(1e-6, far.item<double>());
        }
    });

    [TestMethod]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.BFloat16)]
    public void What_is_no_number_stays_none(ScalarType type) => VectorWidths.Each(() =>
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(Count);
        x[5] = float.NaN;
        x[Count - 1] = float.PositiveInfinity;
        Tensor y = GeluFunction.Of(x.to(type)).to(ScalarType.Float32);
        Assert.IsTrue(float.IsNaN(y[5].item<float>()));
        Assert.AreEqual(float.PositiveInfinity, y[Count - 1].item<float>());
        Assert.AreEqual(1, y.isnan().sum().item<long>());
        Assert.AreEqual(0f, y[6].item<float>());
    });

    [TestMethod]
    public void Small_odd_and_scattered_tensors_stay_with_libtorch() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        Assert.IsTrue(GeluKernel.Takes(zeros(512, 64)));
        Assert.IsFalse(GeluKernel.Takes(zeros(511, 64)));
        Assert.IsFalse(GeluKernel.Takes(zeros(1_000, 63)));
        Assert.IsFalse(GeluKernel.Takes(zeros(512, 64).t()));
        Assert.IsFalse(GeluKernel.Takes(zeros(512, 64, ScalarType.Float64)));
        Assert.AreEqual(0.8411920f, GeluFunction.Of(ones(3))[1].item<float>(), 1e-6f);
    });

    // A length that two threads don't share evenly: each element is written by one of them.
    [TestMethod]
    public void Every_element_of_an_uneven_length_is_computed() => VectorWidths.Each(static () =>
    {
        using var scope = NewDisposeScope();
        long n = Count + (32 * 33);
        Tensor y = GeluFunction.Of(ones(n));
        Assert.AreEqual(n, y.sub(0.8411920f).abs().lt(1e-6f).sum().item<long>());
    });

    /// <summary>x·½·(1 + tanh(√(2/π)·(x + 0.044715·x³))), where 1 + tanh(z) = 2·σ(2z): far below 0 the left side is 0 in float64 too.</summary>
    private static Tensor Definition(Tensor x) => x * (Math.Sqrt(8 / Math.PI) * (x + (0.044715 * x.pow(3)))).sigmoid();

    private static (Tensor Value, Tensor Gradient) Both(Tensor x, Tensor upstream, Func<Tensor, Tensor> function)
    {
        Tensor leaf = x.detach().requires_grad_();
        Tensor y = function(leaf);
        BackwardPass.Run(y, upstream);
        return (y.detach(), leaf.grad!);
    }

    private static void AssertNear(Tensor expected, Tensor actual, double tolerance) =>
        Assert.IsLessThan(tolerance, (expected - actual.to(ScalarType.Float64)).abs().div(expected.abs().clamp(1)).max().item<double>());
}

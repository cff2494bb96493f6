using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class MatrixProductTests
{
    private OneDnnProducts _chosen;

    [TestInitialize]
    public void Remember()
    {
        TorchRuntime.Initialize();
        _chosen = MatrixProduct.OneDnn;
    }

    [TestCleanup]
    public void Restore() => MatrixProduct.OneDnn = _chosen;

    // Against libtorch's products in float64. A sum of k products of normal numbers is off by some √k·2^-24·√k; a wrong term by 1.
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Products_are_those_of_float64(bool oneDnn)
    {
        MatrixProduct.OneDnn = oneDnn ? OneDnnProducts.All : OneDnnProducts.None;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor a = randn(300, 250), b = randn(250, 200), bias = randn(200), residual = randn(300, 200);
        Assert.AreEqual(oneDnn, MatrixProduct.IsOneDnn(a, b));
        Tensor product = Wide(a).mm(Wide(b));
        AssertNear(product, MatrixProduct.Of(a, b), 1e-4);
        AssertNear(product + Wide(bias), MatrixProduct.Of(a, b, bias), 1e-4);
        AssertNear(product + Wide(bias) + Wide(residual), MatrixProduct.Of(a, b, bias, residual), 1e-4);

        // Views whose rows are columns, as the backward pass has them, and one with a gap between its rows.
        Tensor at = randn(250, 300).t(), bt = randn(200, 250).t(), gaps = randn(300, 400).narrow(1, 7, 250);
        AssertNear(Wide(at).mm(Wide(b)), MatrixProduct.Of(at, b), 1e-4);
        AssertNear(Wide(a).mm(Wide(bt)), MatrixProduct.Of(a, bt), 1e-4);
        AssertNear(Wide(at).mm(Wide(bt)), MatrixProduct.Of(at, bt), 1e-4);
        AssertNear(Wide(gaps).mm(Wide(b)), MatrixProduct.Of(gaps, b), 1e-4);

        Tensor sum = residual.clone();
        MatrixProduct.AddTo(sum, a, b, 0.25f);
        AssertNear(Wide(residual) + (product * 0.25), sum, 1e-4);
    }

    [TestMethod]
    public void Small_and_bfloat16_products_stay_with_libtorch()
    {
        MatrixProduct.OneDnn = OneDnnProducts.All;
        using var scope = NewDisposeScope();
        Assert.IsTrue(MatrixProduct.IsOneDnn(zeros(300, 250), zeros(250, 200)));
        Assert.IsFalse(MatrixProduct.IsOneDnn(zeros(3, 250), zeros(250, 200)));
        Assert.IsFalse(MatrixProduct.IsOneDnn(zeros(300, 250, ScalarType.BFloat16), zeros(250, 200, ScalarType.BFloat16)));
        MatrixProduct.OneDnn = OneDnnProducts.None;
        Assert.IsFalse(MatrixProduct.IsOneDnn(zeros(300, 250), zeros(250, 200)));
    }

    // From 300 million multiplications on. A forward pass and an input's gradient have rows on the left, a weight's gradient has columns, which pay for wide results only.
    [TestMethod]
    [DataRow(2_048L, 384L, 384L, true, false)]
    [DataRow(2_048L, 384L, 1_536L, true, false)]
    [DataRow(1_024L, 512L, 1_536L, true, true)]
    [DataRow(1_024L, 1_536L, 512L, true, false)]
    [DataRow(1_024L, 256L, 1_024L, false, false)]
    public void On_AVX2_the_large_products_go_to_oneDNN(long rows, long inputs, long outputs, bool wanted, bool wantedOfWeight)
    {
        MatrixProduct.OneDnn = OneDnnProducts.Large;
        using var scope = NewDisposeScope();
        Tensor x = zeros(rows, inputs), weight = zeros(inputs, outputs), gradient = zeros(rows, outputs);
        Assert.AreEqual(wanted, MatrixProduct.IsOneDnn(x, weight));
        Assert.AreEqual(wanted, MatrixProduct.IsOneDnn(gradient, weight.t()));
        Assert.AreEqual(wantedOfWeight, MatrixProduct.IsOneDnn(x.t(), gradient));
    }

    // Against libtorch's autograd in float64, each combination of what is trained: an adapter's base is frozen, a first layer's input needs nothing.
    [TestMethod]
    [DataRow(true, true, true, true)]
    [DataRow(true, false, false, false)]
    [DataRow(false, true, true, false)]
    [DataRow(true, true, false, true)]
    [DataRow(false, false, false, true)]
    public void Gradients_of_a_linear_map_are_those_of_float64(bool ofX, bool ofWeight, bool ofBias, bool ofResidual)
    {
        MatrixProduct.OneDnn = OneDnnProducts.All;
        using var scope = NewDisposeScope();
        manual_seed(2);
        Tensor upstream = randn(300, 200);
        foreach (bool withResidual in (bool[])[true, false])
        {
            if (!withResidual && !ofX && !ofWeight && !ofBias) continue;
            (Tensor Value, bool Trained)[] arguments = [(randn(300, 250), ofX), (randn(250, 200), ofWeight), (randn(200), ofBias), (randn(300, 200), ofResidual && withResidual)];
            Tensor[] narrow = [.. arguments.Select(static one => one.Value.clone().requires_grad_(one.Trained))];
            Tensor[] wide = [.. arguments.Select(static one => Wide(one.Value).requires_grad_(one.Trained))];
            Tensor y = LinearFunction.Of(narrow[0], narrow[1], narrow[2], withResidual ? narrow[3] : null);
            Tensor expected = wide[0].mm(wide[1]) + wide[2];
            if (withResidual) expected += wide[3];
            AssertNear(expected, y, 1e-4);
            BackwardPass.Run(y, upstream);
            expected.backward([Wide(upstream)]);
            foreach ((Tensor one, Tensor other) in narrow.Zip(wide))
            {
                Assert.AreEqual(other.grad is null, one.grad is null);
                if (other.grad is not null) AssertNear(other.grad, one.grad!, 1e-4);
            }
        }
    }

    [TestMethod]
    public void A_product_without_gradients_records_none()
    {
        MatrixProduct.OneDnn = OneDnnProducts.All;
        using var scope = NewDisposeScope();
        Tensor x = randn(300, 250), w = randn(250, 200).requires_grad_(), b = randn(200);
        Assert.IsTrue(LinearFunction.Of(x, w, b).requires_grad);
        using var noGradient = no_grad();
        Assert.IsFalse(LinearFunction.Of(x, w, b).requires_grad);
    }

    // The whole network, both ways of computing: what a gradient's direction depends on.
    [TestMethod]
    public void A_networks_gradient_is_the_same_by_both_libraries()
    {
        var config = new GptConfig { VocabularySize = 96, ContextLength = 128, EmbeddingSize = 96, LayerCount = 2, HeadCount = 4 };
        float[][] gradients = [.. ((bool[])[true, false]).Select(oneDnn =>
        {
            MatrixProduct.OneDnn = oneDnn ? OneDnnProducts.All : OneDnnProducts.None;
            using var scope = NewDisposeScope();
            Assert.AreEqual(oneDnn, MatrixProduct.IsOneDnn(zeros(6 * 128, 96), zeros(96, 4 * 96)));   // sums of 96 products may be the same to the last bit
            using GptNetwork network = new(config, GptDevice.Cpu, seed: 5) { Training = true };
            manual_seed(3);
            Tensor ids = randint(0, 96, [6, 128], ScalarType.Int64), targets = randint(0, 96, [6 * 128], ScalarType.Int64);
            LanguageModelPass.Backward(network, network.Hidden(ids), targets, 1.0 / targets.numel());
            return network.Parameters.GradientSum.data<float>().ToArray();
        })];
        double largest = gradients[1].Max(Math.Abs);
        Assert.IsGreaterThan(1e-3, largest);
        for (int i = 0; i < gradients[0].Length; i++) Assert.AreEqual(gradients[1][i], gradients[0][i], 1e-4 * largest, $"element {i}");
    }

    private static Tensor Wide(Tensor x) => x.detach().to(ScalarType.Float64);

    private static void AssertNear(Tensor expected, Tensor actual, double tolerance)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsLessThan(tolerance, (expected - actual.detach().to(ScalarType.Float64)).abs().max().item<double>());
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class MatrixProductTests
{
    private ProductChoice _chosen;

    [TestInitialize]
    public void Remember()
    {
        TorchRuntime.Initialize();
        _chosen = MatrixProduct.Choice;
    }

    [TestCleanup]
    public void Restore() => MatrixProduct.Choice = _chosen;

    // Against libtorch's products in float64. A sum of k products of normal numbers is off by some √k·2^-24·√k; a wrong term by 1.
    [TestMethod]
    [DataRow("LibTorch")]
    [DataRow("OneDnn")]
    [DataRow("Packed")]
    public void Products_are_those_of_float64(string engine)
    {
        Use(engine);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor a = randn(300, 250), b = randn(250, 200), bias = randn(200), residual = randn(300, 200);
        Assert.AreEqual(engine, MatrixProduct.EngineOf(a, b).ToString());
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
        Tensor sparse = randn(300, 500).as_strided([300, 250], [500, 2]), wide = randn(200, 500).as_strided([250, 200], [2, 500]), same = randn(1, 200).expand(250, 200);
        AssertNear(Wide(sparse).mm(Wide(wide)), MatrixProduct.Of(sparse, wide), 1e-4);
        AssertNear(Wide(a).mm(Wide(same)), MatrixProduct.Of(a, same), 1e-4);
        AssertNear(product + Wide(bias) + Wide(at.narrow(1, 0, 200)), MatrixProduct.Of(a, b, bias, at.narrow(1, 0, 200)), 1e-4);
        AssertNear(product + 3, MatrixProduct.Of(a, b, full(1, 3f).expand(200)), 1e-4);

        Tensor sum = residual.clone();
        MatrixProduct.AddTo(sum, a, b, 0.25f);
        AssertNear(Wide(residual) + (product * 0.25), sum, 1e-4);
        sum = residual.t().contiguous().t();
        MatrixProduct.AddTo(sum, a, b, 0.25f);
        AssertNear(Wide(residual) + (product * 0.25), sum, 1e-4);
    }

    // Sizes around the kernel's tiles of 12 by 32, its parts of 1,024 products and 3,072 columns, and one thread's part.
    [TestMethod]
    [DataRow(12, 1_024, 32)]
    [DataRow(11, 1_023, 31)]
    [DataRow(13, 1_025, 33)]
    [DataRow(1, 1, 1)]
    [DataRow(1_000, 3, 2)]
    [DataRow(97, 2_050, 65)]
    [DataRow(25, 9, 3_073)]
    [DataRow(50, 30, 6_200)]
    [DataRow(385, 70, 129)]
    public void Packed_products_of_any_size_are_those_of_float64(int n, int k, int m)
    {
        Use("Packed");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(n);
        foreach ((bool left, bool right) in ((bool, bool)[])[(false, false), (true, false), (false, true), (true, true)])
        {
            Tensor a = left ? randn(k, n).t() : randn(n, k), b = right ? randn(m, k).t() : randn(k, m), bias = randn(m), from = randn(n, m), c = full([n, m + 3], 7f);
            PackedProduct.Multiply(MatrixOf(a), MatrixOf(b), MatrixOf(c), n, m, k, 0.5f, MatrixOf(from), VectorMath.Address(bias));
            AssertNear((Wide(a).mm(Wide(b)) * 0.5) + Wide(from) + Wide(bias), c.narrow(1, 0, m), 2e-4);
            Assert.IsTrue(c.narrow(1, m, 3).eq(7f).all().item<bool>(), "written beside the result");
        }

        static PackedProduct.Matrix MatrixOf(Tensor x) => new(VectorMath.Address(x), (nint)x.stride(0), (nint)x.stride(1));
    }

    // The order of a sum must not depend on how many threads there are, which divide rows and, where those are few, columns.
    [TestMethod]
    public void Packed_products_are_the_same_on_any_number_of_threads()
    {
        Use("Packed");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(4);
        Tensor a = randn(70, 1_100), b = randn(1_100, 500), expected = Wide(a).mm(Wide(b));
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            Tensor one = MatrixProduct.Of(a, b);
            AssertNear(expected, one, 2e-4);
            foreach (int count in (int[])[2, 5, 16])
            {
                set_num_threads(count);
                Assert.IsTrue(one.eq(MatrixProduct.Of(a, b)).all().item<bool>(), $"{count}");
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    // As measured: MKL keeps its best code for Intel's processors.
    [TestMethod]
    [DataRow(false, true, 6, "LibTorch", DisplayName = "Intel with AVX-512")]
    [DataRow(false, false, 6, "LibTorch", DisplayName = "Intel with AVX2")]
    [DataRow(true, false, 25, "LargeOneDnn", DisplayName = "Zen 3")]
    [DataRow(true, true, 25, "OneDnnAndPacked", DisplayName = "Zen 4")]
    [DataRow(true, true, 26, "OneDnn", DisplayName = "Zen 5")]
    public void Each_processor_multiplies_by_what_is_fastest_on_it(bool amd, bool avx512, int family, string expected)
    {
        if (expected == "OneDnnAndPacked" && !PackedProduct.IsAvailable) expected = "OneDnn";
        Assert.AreEqual(expected, MatrixProduct.FastestOn(new ProcessorFeatures(true, amd, avx512, false, false, family)).ToString());
    }

    // Forward passes have rows on both sides; of gradients one side is a transposed view.
    [TestMethod]
    [DataRow(2_048L, 384L, 384L, "OneDnn", "Packed")]
    [DataRow(1_024L, 256L, 768L, "OneDnn", "LibTorch")]
    [DataRow(768L, 128L, 512L, "LibTorch", "LibTorch")]
    public void On_Zen_4_forward_passes_go_to_oneDNN_and_large_gradients_to_the_packed_product(long rows, long inputs, long outputs, string forward, string gradients)
    {
        MatrixProduct.Choice = ProductChoice.OneDnnAndPacked;
        using var scope = NewDisposeScope();
        Tensor x = zeros(rows, inputs), weight = zeros(inputs, outputs), gradient = zeros(rows, outputs);
        Assert.AreEqual(forward, MatrixProduct.EngineOf(x, weight).ToString());
        Assert.AreEqual(gradients, MatrixProduct.EngineOf(gradient, weight.t()).ToString());
        Assert.AreEqual(gradients, MatrixProduct.EngineOf(x.t(), gradient).ToString());
    }

    [TestMethod]
    [DataRow("OneDnn")]
    [DataRow("Packed")]
    public void Small_and_bfloat16_products_stay_with_libtorch(string engine)
    {
        MatrixProduct.Choice = Enum.Parse<ProductChoice>(engine);
        using var scope = NewDisposeScope();
        Assert.AreEqual(engine, MatrixProduct.EngineOf(zeros(300, 250), zeros(250, 200)).ToString());
        Assert.AreEqual(ProductEngine.LibTorch, MatrixProduct.EngineOf(zeros(3, 250), zeros(250, 200)));
        Assert.AreEqual(ProductEngine.LibTorch, MatrixProduct.EngineOf(zeros(300, 250, ScalarType.BFloat16), zeros(250, 200, ScalarType.BFloat16)));
        MatrixProduct.Choice = ProductChoice.LibTorch;
        Assert.AreEqual(ProductEngine.LibTorch, MatrixProduct.EngineOf(zeros(300, 250), zeros(250, 200)));
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
        MatrixProduct.Choice = ProductChoice.LargeOneDnn;
        using var scope = NewDisposeScope();
        Tensor x = zeros(rows, inputs), weight = zeros(inputs, outputs), gradient = zeros(rows, outputs);
        Assert.AreEqual(wanted, IsOneDnn(x, weight));
        Assert.AreEqual(wanted, IsOneDnn(gradient, weight.t()));
        Assert.AreEqual(wantedOfWeight, IsOneDnn(x.t(), gradient));

        static bool IsOneDnn(Tensor a, Tensor b) => MatrixProduct.EngineOf(a, b) == ProductEngine.OneDnn;
    }

    // Against libtorch's autograd in float64, each combination of what is trained: an adapter's base is frozen, a first layer's input needs nothing.
    [TestMethod]
    [DataRow("OneDnn", true, true, true, true)]
    [DataRow("OneDnn", true, false, false, false)]
    [DataRow("OneDnn", false, true, true, false)]
    [DataRow("OneDnn", true, true, false, true)]
    [DataRow("OneDnn", false, false, false, true)]
    [DataRow("Packed", true, true, true, true)]
    [DataRow("Packed", true, false, false, false)]
    public void Gradients_of_a_linear_map_are_those_of_float64(string choice, bool ofX, bool ofWeight, bool ofBias, bool ofResidual)
    {
        Use(choice);
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
        Use("OneDnn");
        using var scope = NewDisposeScope();
        Tensor x = randn(300, 250), w = randn(250, 200).requires_grad_(), b = randn(200);
        Assert.IsTrue(LinearFunction.Of(x, w, b).requires_grad);
        using var noGradient = no_grad();
        Assert.IsFalse(LinearFunction.Of(x, w, b).requires_grad);
    }

    // The whole network, both ways of computing: what a gradient's direction depends on.
    [TestMethod]
    [DataRow("OneDnn")]
    [DataRow("Packed")]
    public void A_networks_gradient_is_the_same_by_both_ways(string other)
    {
        var config = new GptConfig { VocabularySize = 96, ContextLength = 128, EmbeddingSize = 96, LayerCount = 2, HeadCount = 4 };
        float[][] gradients = [.. ((string[])[other, "LibTorch"]).Select(engine =>
        {
            Use(engine);
            using var scope = NewDisposeScope();
            Assert.AreEqual(engine, MatrixProduct.EngineOf(zeros(6 * 128, 96), zeros(96, 4 * 96)).ToString());   // sums of 96 products may be the same to the last bit
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

    private static void Use(string choice)
    {
        MatrixProduct.Choice = Enum.Parse<ProductChoice>(choice);
        if (choice.Contains("Packed", StringComparison.Ordinal) && !PackedProduct.IsAvailable) Assert.Inconclusive("This processor has no vectors of 512 bits.");
    }

    private static Tensor Wide(Tensor x) => x.detach().to(ScalarType.Float64);

    private static void AssertNear(Tensor expected, Tensor actual, double tolerance)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsLessThan(tolerance, (expected - actual.detach().to(ScalarType.Float64)).abs().max().item<double>());
    }
}

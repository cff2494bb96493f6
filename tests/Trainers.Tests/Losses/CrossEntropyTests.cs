using MLNet.Gpt.Trainers.Tests.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class CrossEntropyTests
{
    [TestInitialize]
    public void Initialize() => TorchRuntime.Initialize();

    [TestCleanup]
    public void Restore() => CrossEntropyKernel.IsAvailable = VectorMath.IsAvailable;

    // Against libtorch's own in float64, of vocabularies around the vectors' widths, with logits from far below the largest to far above the rest.
    [TestMethod]
    [DataRow(1, 1, 1.0)]
    [DataRow(3, 7, 5.0)]
    [DataRow(5, 16, 30.0)]
    [DataRow(70, 33, 1.0)]
    [DataRow(9, 50_257, 20.0)]
    public void Log_probabilities_and_gradients_are_those_of_float64(int rows, int vocabulary, double spread) => VectorWidths.Each(() =>
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        Tensor logits = randn(rows, vocabulary).mul(spread).add(spread * 10), targets = randint(0, vocabulary, [rows], ScalarType.Int64), weights = randn(rows);
        weights[0] = 0;
        Tensor wide = logits.to(ScalarType.Float64).requires_grad_();
        Tensor expected = nn.functional.log_softmax(wide, 1).gather(1, targets.unsqueeze(1)).view(-1);
        expected.mul(weights.neg()).sum().backward();
        Assert.IsTrue(CrossEntropyKernel.Takes(logits));
        foreach (bool byVectors in (bool[])[true, false])
        {
            CrossEntropyKernel.IsAvailable = byVectors;
            AssertNear(expected, CrossEntropy.LogProbabilities(logits, targets), 1e-6 * spread * 12);   // of numbers ten times the spread
            (Tensor found, Tensor gradient) = CrossEntropy.WithGradient(logits.clone(), targets, weights);
            AssertNear(expected, found, 1e-6 * spread * 12);
            AssertNear(wide.grad!, gradient, 1e-5 * Math.Min(spread, 3));
            (_, Tensor unweighted) = CrossEntropy.WithGradient(logits.clone(), targets, null);
            AssertNear(wide.grad!.narrow(0, rows - 1, 1), unweighted.narrow(0, rows - 1, 1).mul(weights.narrow(0, rows - 1, 1)), 1e-5 * Math.Min(spread, 3));
        }

        CrossEntropyKernel.IsAvailable = true;
    });

    // A loss that is no number ends a run; a gradient that hides it would not.
    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void What_is_no_number_stays_none(float broken) => VectorWidths.Each(() =>
    {
        using var scope = NewDisposeScope();
        foreach (int place in (int[])[0, 20, 36])
        {
            Tensor logits = zeros(2, 37);
            logits[1, place] = broken;
            (Tensor likelihood, Tensor gradient) = CrossEntropy.WithGradient(logits, tensor((long[])[3, 3]), null);
            Assert.AreEqual(-Math.Log(37), likelihood[0].item<float>(), 1e-5);
            Assert.IsTrue(float.IsNaN(likelihood[1].item<float>()));
            Assert.IsTrue(gradient[1].isnan().all().item<bool>());
            Assert.IsFalse(gradient[0].isnan().any().item<bool>());
        }
    });

    [TestMethod]
    [DataRow(-1L)]
    [DataRow(37L)]
    public void A_target_outside_the_vocabulary_is_refused(long target) => VectorWidths.Each(() =>
    {
        using var scope = NewDisposeScope();
        Tensor logits = zeros(2, 37), targets = tensor((long[])[3, target]);
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => CrossEntropyKernel.LogProbabilities(logits, targets));
        StringAssert.Contains(error.Message, $"Row 1's target is {target}; the vocabulary has 37 tokens");
    });

    private static void AssertNear(Tensor expected, Tensor actual, double tolerance)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsLessThan(tolerance, (expected.detach() - actual.to(ScalarType.Float64)).abs().max().item<double>());
    }
}

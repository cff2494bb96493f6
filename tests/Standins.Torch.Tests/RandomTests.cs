using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class RandomTests
{
    [TestMethod]
    public void A_seed_repeats_the_numbers()
    {
        manual_seed(5);
        float[] first = Values.Of(rand(8));
        manual_seed(5);
        Values.AreEqual(first, rand(8));
        Assert.AreNotEqual(first[0], rand(8)[0].item<float>());
    }

    [TestMethod]
    public void The_saved_state_repeats_the_numbers()
    {
        _ = randn(3);
        Tensor state = get_rng_state();
        Assert.AreEqual(ScalarType.Byte, state.dtype);
        float[] normal = Values.Of(randn(20)), dropped = Values.Of(F.dropout(ones(50), 0.5));
        set_rng_state(state);
        Values.AreEqual(normal, randn(20));
        Values.AreEqual(dropped, F.dropout(ones(50), 0.5));
    }

    [TestMethod]
    public void The_state_survives_as_bytes()
    {
        Tensor state = get_rng_state();
        byte[] saved = state.bytes.ToArray();
        float[] expected = Values.Of(rand(4));
        set_rng_state(tensor(saved));
        Values.AreEqual(expected, rand(4));
    }

    [TestMethod]
    public void A_generator_of_ones_own_leaves_the_global_one_alone()
    {
        manual_seed(5);
        float[] expected = Values.Of(rand(4));
        manual_seed(5);
        using var generator = new Generator(11);
        float[] own = Values.Of(zeros(4).normal_(0, 1, generator));
        Values.AreEqual(expected, rand(4));
        generator.manual_seed(11);
        Values.AreEqual(own, zeros(4).normal_(0, 1, generator));
    }

    [TestMethod]
    public void A_generators_state_can_be_saved_and_put_back()
    {
        using var generator = new Generator(3);
        Tensor state = generator.get_state();
        float[] expected = Values.Of(rand([4], generator: generator));
        generator.set_state(state);
        Values.AreEqual(expected, rand([4], generator: generator));
    }

    // The mean of 40,000 draws has a standard error of σ/200: 5 errors are 0.025·σ.
    [TestMethod]
    public void Draws_have_the_distribution_that_was_asked_for()
    {
        manual_seed(1);
        Tensor normal = empty(40_000).normal_(3, 2), uniform = empty(40_000).uniform_(-1, 5), whole = randint(2, 6, [40_000]);
        Assert.AreEqual(3, normal.mean().item<float>(), 0.05);
        Assert.AreEqual(2, normal.std().item<float>(), 0.05);
        Assert.AreEqual(2, uniform.mean().item<float>(), 0.05);
        Assert.IsTrue(uniform.min().item<float>() >= -1 && uniform.max().item<float>() < 5);
        Assert.AreEqual(ScalarType.Int64, whole.dtype);
        Assert.AreEqual(2L, whole.min().item<long>());
        Assert.AreEqual(5L, whole.max().item<long>());
        CollectionAssert.AreEquivalent(new long[] { 0, 1, 2, 3 }, tensor(new float[] { 1, 1, 1, 1 }).multinomial(4).data<long>().ToArray());
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class GptNetworkTests
{
    // The reference computes in float64; float32 with sums of at most 44 terms of size 1 leaves some 1e-6.
    private const double Tolerance = 2e-5;

    [TestMethod]
    [DynamicData(nameof(Fixtures.GradientNames), typeof(Fixtures))]
    public void Logits_equal_the_references(string name)
    {
        GradientCase c = Case(name);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        float[] logits = network.Logits(network.Hidden(Ids(c))).data<float>().ToArray();
        double scale = c.Logits.Max(Math.Abs);
        for (int i = 0; i < logits.Length; i++) Assert.AreEqual(c.Logits[i], logits[i], Tolerance * scale, $"logit {i}");
    }

    [TestMethod]
    [DynamicData(nameof(Fixtures.GradientNames), typeof(Fixtures))]
    public void Loss_and_every_gradient_equal_the_references(string name)
    {
        GradientCase c = Case(name);
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        double sum = LanguageModelPass.Backward(network, network.Hidden(Ids(c)), tensor(c.Targets), 1.0 / c.Targets.Length).item<float>();
        Assert.AreEqual(c.Loss, sum / c.Targets.Length, 1e-6);
        foreach ((string parameter, double[] expected) in c.Gradients)
        {
            float[] found = network.Parameters.ViewOf(network.Parameters.GradientSum, parameter).contiguous().data<float>().ToArray();
            // A gradient is a sum of products of size 0.01 to 1 that may nearly cancel: the rounding is that of the terms.
            double scale = Math.Max(expected.Max(Math.Abs), 1e-2);
            Assert.AreEqual(expected.Length, found.Length);
            for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], Tolerance * scale, $"{parameter}[{i}]");
        }
    }

    [TestMethod]
    public void Loss_without_gradients_equals_the_loss_with_them()
    {
        GradientCase c = Case("pre-norm");
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        Tensor hidden = network.Hidden(Ids(c));
        double plain = LanguageModelPass.Sum(network, hidden, tensor(c.Targets)).item<float>();
        Assert.AreEqual(c.Loss * c.Targets.Length, plain, 1e-5);
    }

    [TestMethod]
    public void Weighted_tokens_count_by_their_weight_and_those_of_weight_0_not_at_all()
    {
        GradientCase c = Case("pre-norm");
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        Tensor ids = Ids(c), weights = tensor([0f, 1, 2, 0, 0.5f, 1, 1, 0, 1, 3, 1, 0]);
        long[] others = [.. c.Targets];
        foreach (int masked in (int[])[0, 3, 4, 7, 11]) others[masked] = masked == 4 ? others[4] : 9 - (others[masked] % 9);
        (float loss, float[] gradient) = Run(c.Targets);
        (float otherLoss, float[] otherGradient) = Run(others);
        Assert.AreEqual(loss, otherLoss, "changing the target of a masked token changes no bit");
        CollectionAssert.AreEqual(gradient, otherGradient);

        // The sum over the tokens one by one, each with its weight.
        Tensor hidden = network.Hidden(ids);
        double expected = 0;
        for (int i = 0; i < 12; i++)
            expected += weights[i].item<float>() * LanguageModelPass.Sum(network, hidden.narrow(0, i, 1), tensor(c.Targets[i..(i + 1)])).item<float>();
        Assert.AreEqual(expected, loss, 1e-4);
        Assert.AreEqual(expected, LanguageModelPass.Sum(network, hidden, tensor(c.Targets), weights).item<float>(), 1e-4);

        (float Loss, float[] Gradient) Run(long[] targets)
        {
            network.Parameters.ZeroGradient();
            float sum = LanguageModelPass.Backward(network, network.Hidden(ids), tensor(targets), 0.25, weights).item<float>();
            return (sum, network.Parameters.GradientSum.data<float>().ToArray());
        }
    }

    [TestMethod]
    public void A_fresh_model_is_as_unsure_as_a_uniform_guess()
    {
        var config = new GptConfig { VocabularySize = 512, ContextLength = 64, EmbeddingSize = 128, LayerCount = 4, HeadCount = 4 };
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(config, GptDevice.Cpu, seed: 7);
        Tensor ids = randint(0, 512, [8, 64], ScalarType.Int64);
        double loss = LanguageModelPass.Sum(network, network.Hidden(ids), ids.view(-1).roll(1, 0)).item<float>() / (8 * 64);
        // ln 512 = 6.238. A logit is a sum of 128 products of N(0, 1) and N(0, 0.02): variance 0.0512, which adds half of that on average.
        Assert.AreEqual(Math.Log(512) + 0.0256, loss, 0.05);
    }

    [TestMethod]
    public void A_seed_gives_the_same_weights_and_another_seed_others()
    {
        var config = new GptConfig { VocabularySize = 16, ContextLength = 4, EmbeddingSize = 8, LayerCount = 1, HeadCount = 2 };
        CollectionAssert.AreEqual(Weights(1), Weights(1));
        CollectionAssert.AreNotEqual(Weights(1), Weights(2));

        float[] Weights(long seed)
        {
            using var network = new GptNetwork(config, GptDevice.Cpu, seed);
            var values = new float[16 * 8];
            network.Read("wte.weight", values);
            return values;
        }
    }

    [TestMethod]
    public void Initial_weights_have_the_papers_spread()
    {
        var config = new GptConfig { VocabularySize = 64, ContextLength = 16, EmbeddingSize = 256, LayerCount = 8, HeadCount = 4 };
        using var network = new GptNetwork(config, GptDevice.Cpu, seed: 3);
        // 65,536 and more draws: the sample deviation is within 1 % of σ with four standard errors to spare.
        Assert.AreEqual(0.02, Deviation("h.0.attn.c_attn.weight", 256 * 768), 0.0002);
        Assert.AreEqual(0.02 / Math.Sqrt(16), Deviation("h.3.attn.c_proj.weight", 256 * 256), 0.00005);
        Assert.AreEqual(0.02 / Math.Sqrt(16), Deviation("h.7.mlp.c_proj.weight", 1024 * 256), 0.00005);
        Assert.AreEqual(0.0, Deviation("h.0.attn.c_attn.bias", 768));
        using var unscaled = new GptNetwork(config, GptDevice.Cpu, seed: 3, residualInitializerScale: 1);
        Assert.AreEqual(0.02, Deviation("h.3.attn.c_proj.weight", 256 * 256, unscaled), 0.0002);
        Assert.AreEqual(0.02, Deviation("h.0.attn.c_attn.weight", 256 * 768, unscaled), 0.0002);

        double Deviation(string name, int count, GptNetwork? other = null)
        {
            var values = new float[count];
            (other ?? network).Read(name, values);
            return Math.Sqrt(values.Sum(static v => (double)v * v) / count);
        }
    }

    [TestMethod]
    public void Gradients_of_micro_batches_add_up_to_that_of_the_batch()
    {
        GradientCase c = Case("pre-norm");
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        Tensor ids = Ids(c), targets = tensor(c.Targets).view(2, 6);
        LanguageModelPass.Backward(network, network.Hidden(ids), targets.view(-1), 1.0 / 12);
        float[] whole = network.Parameters.GradientSum.data<float>().ToArray();
        network.Parameters.ZeroGradient();
        for (int row = 0; row < 2; row++)
            LanguageModelPass.Backward(network, network.Hidden(ids.narrow(0, row, 1)), targets[row], 1.0 / 12);
        float[] parts = network.Parameters.GradientSum.data<float>().ToArray();
        for (int i = 0; i < whole.Length; i++) Assert.AreEqual(whole[i], parts[i], 1e-6);
    }

    [TestMethod]
    public void Dropout_acts_in_training_only_and_whatever_the_configuration_says()
    {
        GradientCase c = Case("pre-norm");
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(c.Config with { EmbeddingDropout = 0.5f, AttentionDropout = 0.5f, ResidualDropout = 0.5f }, GptDevice.Cpu, seed: 1);
        float[] first = network.Hidden(Ids(c)).data<float>().ToArray();
        CollectionAssert.AreEqual(first, network.Hidden(Ids(c)).data<float>().ToArray());
        network.Training = true;
        CollectionAssert.AreEqual(first, network.Hidden(Ids(c)).data<float>().ToArray());
        foreach (DropoutOptions dropout in (DropoutOptions[])[new() { Embedding = 0.5f }, new() { Attention = 0.5f }, new() { Residual = 0.5f }])
        {
            network.Dropout = dropout;
            CollectionAssert.AreNotEqual(first, network.Hidden(Ids(c)).data<float>().ToArray(), dropout.ToString());
        }

        network.Training = false;
        CollectionAssert.AreEqual(first, network.Hidden(Ids(c)).data<float>().ToArray());
    }

    [TestMethod]
    public void More_positions_than_the_context_are_refused()
    {
        GradientCase c = Case("pre-norm");
        using GptNetwork network = GptNetwork.FromWeights(c.Weights, GptDevice.Cpu);
        using Tensor ids = zeros(1, 7, ScalarType.Int64);
        var error = Assert.ThrowsExactly<PromptTooLongException>(() => network.Hidden(ids));
        Assert.AreEqual(7, error.TokenCount);
        Assert.AreEqual(6, error.Limit);
    }

    private static GradientCase Case(string name) => Fixtures.Gradients.Single(c => c.Name == name);

    private static Tensor Ids(GradientCase c) => tensor(c.Ids.SelectMany(static row => row).ToArray()).view(c.Ids.Length, -1);
}

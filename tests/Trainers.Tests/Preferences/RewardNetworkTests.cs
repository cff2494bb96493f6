using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

[TestClass]
public sealed class RewardNetworkTests
{
    // The reference computes in float64; float32 with sums of some 100 terms of size 1 leaves a few 1e-6.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Names => RewardCase.All.Select(static c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Rewards_loss_and_gradients_equal_the_references(string name)
    {
        RewardCase c = Case(name);
        using var scope = NewDisposeScope();
        using RewardNetwork network = c.Network();
        RankedGroup[] groups = c.Groups();
        double[][] rewards = RewardEvaluation.Rewards(network, groups, promptsAtOnce: 2, CancellationToken.None);
        for (int g = 0; g < groups.Length; g++)
        {
            for (int i = 0; i < rewards[g].Length; i++) Assert.AreEqual(c.Rewards[g][i], rewards[g][i], Tolerance, $"prompt {g}, response {i}");
        }

        (Tensor loss, Tensor differences, Tensor all) = RewardModelLoop.Backward(network, groups, groups.Length, c.Options);
        Assert.AreEqual(c.Loss, loss.item<float>(), Tolerance);
        Assert.AreEqual(groups.Sum(static g => g.Grades.Length), all.numel());
        Assert.AreEqual(groups.Sum(static g => g.Grades.SelectMany(a => g.Grades.Select(b => a > b ? 1 : 0)).Sum()), differences.numel());
        foreach ((string parameter, double[] gradient) in c.Gradients)
        {
            FlatParameters set = network.Extra.Layout.Any(info => info.Name == parameter) ? network.Extra : network.Network.Parameters;
            float[] found = Floats(set.ViewOf(set.GradientSum, parameter));
            for (int i = 0; i < gradient.Length; i++) Assert.AreEqual(gradient[i], found[i], Tolerance, $"{parameter}[{i}]");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Over_frozen_weights_the_gradients_of_what_is_trained_are_the_references(string name)
    {
        RewardCase c = Case(name);
        foreach (FrozenWeights freeze in (FrozenWeights[])[FrozenWeights.Pretrained, FrozenWeights.AllButHead])
        {
            using var scope = NewDisposeScope();
            using RewardNetwork network = c.Network(freeze: freeze);
            RankedGroup[] groups = c.Groups();
            bool token = c.Head.AddedTokenCount > 0;
            Assert.AreEqual(token && freeze == FrozenWeights.Pretrained, network.Hidden(new RewardBatch([groups[0].Responses[0].Sequence], c.Config, CPU)).requires_grad);
            Assert.AreEqual(token && freeze == FrozenWeights.AllButHead, network.FrozenToken is not null);
            Assert.AreEqual(c.Loss, RewardModelLoop.Backward(network, groups, groups.Length, c.Options).Loss.item<float>(), Tolerance);
            Assert.AreEqual(0, network.Network.Parameters.GradientSum.numel());
            Assert.AreEqual(token && freeze == FrozenWeights.Pretrained ? 3 : 2, network.Extra.Layout.Count);
            foreach (GptParameterInfo info in network.Extra.Layout)
            {
                float[] found = Floats(network.Extra.ViewOf(network.Extra.GradientSum, info.Name));
                for (int i = 0; i < found.Length; i++) Assert.AreEqual(c.Gradients[info.Name][i], found[i], Tolerance, $"{freeze}, {info.Name}[{i}]");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void The_gradient_is_the_finite_difference_of_the_loss_that_is_reported(string name)
    {
        RewardCase c = Case(name);
        using var scope = NewDisposeScope();
        using RewardNetwork network = c.Network();
        RankedGroup[] groups = c.Groups();
        RewardModelLoop.Backward(network, groups, groups.Length, c.Options);
        (FlatParameters Set, string Parameter, float Gradient)[] some = [.. (((FlatParameters Set, string Name)[])[(network.Extra, "head.weight"), (network.Network.Parameters, "h.1.mlp.c_fc.weight"), (network.Network.Parameters, "wte.weight")])
            .Select(static one => (one.Set, one.Name, Floats(one.Set.ViewOf(one.Set.GradientSum, one.Name))[3]))];
        foreach ((FlatParameters set, string parameter, float gradient) in some)
        {
            const float Step = 2e-3f;   // a central difference: its error is of the order of 1e-5, float32's of 1e-7 / 2e-3
            double up = LossAt(Step), down = LossAt(-Step);
            Assert.AreEqual((up - down) / (2 * Step), gradient, 5e-4, parameter);

            double LossAt(float change)
            {
                var values = new float[set.Layout.Single(info => info.Name == parameter).ElementCount];
                set.Read(parameter, values);
                float before = values[3];
                values[3] += change;
                set.Write(parameter, values);
                double loss = c.Options is { Margin: 0, Centering: 0 }
                    ? RewardEvaluation.Of(network, groups, 1, CancellationToken.None).Loss
                    : RewardModelLoop.Backward(network, groups, groups.Length, c.Options).Loss.item<float>();
                values[3] = before;
                set.Write(parameter, values);
                return loss;
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Micro_batches_give_the_gradient_of_the_whole_update(string name)
    {
        RewardCase c = Case(name);
        using var scope = NewDisposeScope();
        using RewardNetwork network = c.Network();
        RankedGroup[] groups = c.Groups();
        double whole = RewardModelLoop.Backward(network, groups, groups.Length, c.Options).Loss.item<float>();
        float[] expected = [.. Floats(network.Network.Parameters.GradientSum), .. Floats(network.Extra.GradientSum)];
        network.Network.Parameters.ZeroGradient();
        network.Extra.ZeroGradient();
        double parts = groups.Sum(group => RewardModelLoop.Backward(network, [group], groups.Length, c.Options).Loss.item<float>());
        Assert.AreEqual(whole, parts, 1e-6);
        float[] found = [.. Floats(network.Network.Parameters.GradientSum), .. Floats(network.Extra.GradientSum)];
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], Tolerance);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void The_exported_graph_gives_the_same_rewards(string name)
    {
        RewardCase c = Case(name);
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-test-").FullName;
        try
        {
            using var torch = new TorchRewardModel(c.Network(trainable: false), GptTokenizer.FromCharacters(["abcdefghij"]));
            torch.WriteOnnxPackage(folder);
            using OnnxRewardModel onnx = OnnxRewardModel.Load(folder, GptDevice.Cpu);
            Assert.AreEqual(c.Head, onnx.Head);
            Assert.AreEqual(c.Config.VocabularySize, onnx.Config.VocabularySize);
            int[][] rows = [.. c.Groups().SelectMany(static group => group.Responses).Select(static response => response.Sequence)];
            int t = rows.Max(static row => row.Length);
            int[] ids = [.. rows.SelectMany(row => row.Concat(Enumerable.Repeat(1, t - row.Length)))], lengths = [.. rows.Select(static row => row.Length)];
            float[] expected = [.. c.Rewards.SelectMany(static group => group).Select(static r => (float)r)], ours = new float[expected.Length], found = new float[expected.Length];
            torch.Run(ids, lengths, ours);
            onnx.Run(ids, lengths, found);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.AreEqual(expected[i], ours[i], 2e-5f);
                Assert.AreEqual(expected[i], found[i], 2e-5f);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void A_fresh_head_gives_rewards_of_the_order_of_one()
    {
        // N(0, 1/(C + 1)) over a normalised hidden state: a variance of C/(C + 1).
        using var network = new RewardNetwork(new GptNetwork(new GptConfig { VocabularySize = 50, ContextLength = 8, EmbeddingSize = 256, LayerCount = 1, HeadCount = 4 }, GptDevice.Cpu, seed: 1), new RewardHead(), trainable: false);
        network.Initialize(5);
        double squares = Floats(network.Extra.ViewOf(network.Extra.Master, "head.weight")).Sum(static w => (double)w * w);
        Assert.AreEqual(256 / 257.0, squares, 0.3);   // three standard deviations of a sum of 256 squares
    }

    [TestMethod]
    public void A_shift_moves_all_rewards()
    {
        RewardCase c = RewardCase.All[0];
        using RewardNetwork network = c.Network();
        double[][] before = RewardEvaluation.Rewards(network, c.Groups(), 1, CancellationToken.None);
        double mean = RewardEvaluation.ReferenceMean(network, c.Groups(), RewardReferences.PreferredResponses, 1, CancellationToken.None);
        Assert.AreEqual((before[0][0] + before[1][1]) / 2, mean, 1e-6);   // the best-graded responses
        Assert.AreEqual(before.SelectMany(static r => r).Average(), RewardEvaluation.ReferenceMean(network, c.Groups(), RewardReferences.AllResponses, 1, CancellationToken.None), 1e-6);
        network.Shift(-mean);
        Assert.AreEqual(0, RewardEvaluation.ReferenceMean(network, c.Groups(), RewardReferences.PreferredResponses, 1, CancellationToken.None), 1e-6);
        Assert.AreEqual(before[0][2] - mean, RewardEvaluation.Rewards(network, c.Groups(), 1, CancellationToken.None)[0][2], 1e-5);
    }

    private static RewardCase Case(string name) => RewardCase.All.Single(c => c.Name == name);

    private static float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.numel()];
        tensor.detach().CopyFloatsTo(values);
        return values;
    }
}

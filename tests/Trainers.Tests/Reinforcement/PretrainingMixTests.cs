using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

[TestClass]
public sealed class PretrainingMixTests
{
    private const double Gamma = 3.5;

    // AdamW's first update is −rate·g/(|g| + ε) for a gradient g, without clipping and weight decay. With rate = ε = 10⁸, which |g| is nothing beside, that is −g itself: what a run of one update moves the weights by is its
    // gradient. Two runs draw the same responses, since they begin at the same weights, and differ by the mix alone.
    private static readonly PolicyOptimizationOptions Options = PolicyFixture.Plain with
    {
        BatchSize = 6,
        Episodes = 6,
        Rollout = PolicyFixture.Plain.Rollout with { Minibatches = 1 },
        Optimizer = new() { LearningRate = 1e8, MinLearningRate = 1e8, Epsilon = 1e8, WarmupSteps = 0, WeightDecay = 0, GradientClipNorm = 0 },
        Run = PolicyFixture.Plain.Run with { LogInterval = 1 },
    };

    [TestMethod]
    [DataRow(PolicyAlgorithm.Ppo, 5)]
    [DataRow(PolicyAlgorithm.Ppo, 2)]   // rows at once, of the responses and of the text
    [DataRow(PolicyAlgorithm.Rloo, 5)]
    public void The_mix_adds_gamma_times_the_finite_difference_of_the_mean_loss_of_its_rows(PolicyAlgorithm algorithm, int rowsAtOnce)
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("mlnet-gpt-mix-").FullName, "text.tokens");
        try
        {
            using (var writer = new TokenFileWriter(path, PolicyFixture.Letters))
            {
                var random = new Random(4);
                for (int i = 0; i < 12; i++) writer.Append(Enumerable.Range(0, 20).Select(_ => random.Next(10)).ToArray());
                writer.Complete();
            }

            using TokenFile file = TokenFile.Open(path);
            var rows = new PackedRows(file, PolicyFixture.Shape.ContextLength);
            PolicyOptimizationOptions alone = Options with { Algorithm = algorithm }, mixed = alone with { PretrainingMix = new() { TokenFile = path, Coefficient = Gamma, BatchSize = 5 } };
            (float[] rewardGradient, TrainingProgress rewardReport) = Update(alone, null, rowsAtOnce);
            (float[] gradient, TrainingProgress report) = Update(mixed, rows, rowsAtOnce);
            double[] added = [.. gradient.Zip(rewardGradient, static (both, reward) => (double)both - reward)];

            // The rows that the run's seed gives first, and their mean loss by the logits alone.
            var starts = new long[5];
            new BatchOrder(rows, seed: 9).Next(starts);
            using var network = new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu, seed: 3);
            double loss = Loss(network, rows, starts);
            Assert.AreEqual(loss, report.Metrics!["loss/pretraining"], 1e-5);
            Assert.AreEqual(Gamma * loss, report.Loss - rewardReport.Loss, 1e-4);

            // Along the added gradient, where the slope is its norm, and along random signs beside it.
            double norm = Math.Sqrt(added.Sum(static g => g * g));
            Assert.IsGreaterThan(1, norm);
            Assert.AreEqual(norm, Gamma * Slope([.. added.Select(g => g / norm)]), 5e-3 * norm);
            var signs = new Random(2);
            double[] other = [.. added.Select(g => (g / norm) + ((signs.Next(2) == 0 ? 1 : -1) / Math.Sqrt(added.Length)))];
            double expected = other.Zip(added, static (d, g) => d * g).Sum();
            Assert.AreEqual(expected, Gamma * Slope(other), 5e-3 * Math.Abs(expected));

            double Slope(double[] direction)
            {
                const float Step = 5e-3f;
                double[] at = [.. new[] { 2 * Step, Step, -Step, -2 * Step }.Select(step =>
                {
                    using var noGradient = no_grad();
                    using var scope = NewDisposeScope();
                    using Tensor before = network.Parameters.Master.clone();
                    network.Parameters.Master.add_(tensor(direction.Select(d => (float)(d * step)).ToArray()));
                    double value = Loss(network, rows, starts);
                    network.Parameters.Master.copy_(before);
                    return value;
                })];
                return ((8 * (at[1] - at[2])) - (at[0] - at[3])) / (12 * Step);   // exact to the fifth derivative
            }
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }

    /// <summary>A run of one update: the policy's gradient, and the report.</summary>
    private static (float[] Gradient, TrainingProgress Report) Update(PolicyOptimizationOptions options, PackedRows? mix, int rowsAtOnce)
    {
        using var fixture = new PolicyFixture(options, rowsAtOnce: rowsAtOnce);
        float[] before = fixture.Model.Network.Parameters.Master.data<float>().ToArray();
        var loop = new PolicyOptimizationLoop(fixture.Model, fixture.Rollouts, fixture.Rewards, fixture.Prompts, [], mix, fixture.Options, rowsAtOnce, 9, null, static _ => { });
        RunResult result = loop.Run(null);
        Assert.AreEqual(1, result.State.Step);
        float[] after = fixture.Model.Network.Parameters.Master.data<float>().ToArray();
        return ([.. before.Zip(after, static (b, a) => b - a)], result.History.Single());
    }

    /// <summary>The mean of −log softmax(logits)[next] over all positions of rows, in float64 after the logits.</summary>
    private static double Loss(GptNetwork network, PackedRows rows, long[] starts)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double sum = 0;
        int v = network.Config.VocabularySize, width = rows.ContextLength;
        foreach (long start in starts)
        {
            var row = new long[width + 1];
            rows.CopyRow(start, row);
            float[] logits = network.Logits(network.Hidden(tensor(row[..^1]).view(1, -1))).data<float>().ToArray();
            for (int t = 0; t < width; t++)
            {
                float[] some = logits[(t * v)..((t + 1) * v)];
                sum += Math.Log(some.Sum(static z => Math.Exp(z))) - some[row[t + 1]];
            }
        }

        return sum / (starts.Length * width);
    }
}

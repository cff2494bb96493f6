using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

/// <summary>
/// One prompt and responses of one token, each with a reward of its own. E_π[r] − β·KL(π, π_ref) has its maximum β·log Z at π ∝ π_ref·exp(r/β), Z = Σ π_ref·exp(r/β); with GRPO's k3 in the loss, whose gradient is that of
/// β·KL(π_ref, π), the maximum is at π = β·π_ref/(λ − r), λ such that they add up to 1.
/// </summary>
[TestClass]
public sealed class KnownOptimumTests
{
    private const double Beta = 0.3;

    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefg"]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 4, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2, InitializerRange = 0.25f };
    private static readonly Dictionary<string, double> Rewards = new() { ["a"] = 1, ["b"] = 0.8, ["c"] = 0.4, ["d"] = 0, ["e"] = 0, ["f"] = -0.3, ["g"] = 0.2, [""] = -0.5 };

    private static readonly PolicyOptimizationOptions Options = new()
    {
        BatchSize = 64,
        Rollout = new() { Minibatches = 2, InnerEpochs = 2, MaxNewTokens = 1 },
        Kl = new() { Coefficient = Beta },
        Reward = new() { Sources = [PolicyReward.Of(static (_, response) => Rewards[response])] },
        Episodes = 128 * 60,
        Optimizer = new() { LearningRate = 5e-3, MinLearningRate = 2e-4, WarmupSteps = 0, WeightDecay = 0 },
        Run = new() { Device = GptDevice.Cpu, Precision = GptPrecision.Float32, PeakFlops = 0, LogInterval = 40 },
    };

    public static IEnumerable<object[]> Methods =>
    [
        ["PPO", Options with { Ppo = new() { ValueCoefficient = 0.5 } }],
        ["RLOO", Options with { Algorithm = PolicyAlgorithm.Rloo, Rollout = Options.Rollout with { SamplesPerPrompt = 4 } }],
        ["GRPO, the penalty in the reward", Options with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { ScaleByGroup = false }, Kl = Options.Kl with { InReward = true } }],
        ["GRPO", Options with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { ScaleByGroup = false } }],
        ["Dr. GRPO with an adapter", Options with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { ScaleByGroup = false, Loss = GroupLoss.DrGrpo }, Lora = new() { Rank = 8, Alpha = 16, Projections = LoraProjections.All }, Optimizer = Options.Optimizer! with { LearningRate = 2e-2 } }],
    ];

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void The_policy_comes_within_5_percent_of_the_best_objective_over_several_seeds(string name, object method)
    {
        var options = (PolicyOptimizationOptions)method;
        foreach (int seed in (int[])[1, 2, 3])
        {
            using GptModel start = new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed)), Letters);
            using GptPolicyTransformer trained = Ml.Gpt().Trainers.PolicyOptimization("Prompt", options with { Pretrained = start, Run = options.Run with { Seed = seed } })
                .Fit(Ml.Data.LoadFromEnumerable(new[] { new { Prompt = "ab" } }));
            int[] prompt = Letters.Encode("ab");
            double[] reference = RolloutTests.Distribution(((TorchCausalModel)start.Engine).Network, prompt), policy = RolloutTests.Distribution(((TorchCausalModel)trained.Model.Engine).Network, prompt);
            double[] rewards = [.. Enumerable.Range(0, reference.Length).Select(id => Rewards[id == Letters.EndOfTextId ? "" : Letters.Decode([id])])];
            bool reversed = options.Algorithm == PolicyAlgorithm.Grpo && options.Kl.InReward is null;
            double best = Objective(reversed ? Reversed(reference, rewards) : Best(reference, rewards)), begin = Objective(reference), found = Objective(policy);
            string told = FormattableString.Invariant($"{name}, seed {seed}: {begin:F3} → {found:F3} of {best:F3}; KL {trained.Training.Kl:F3}");
            Console.WriteLine(told);
            Assert.IsLessThan(0.7 * best, begin, told);
            Assert.IsGreaterThanOrEqualTo(0.95 * best, found, told);

            // What the closed form says is no less than what was found.
            Assert.IsLessThanOrEqualTo(best + 1e-6, found, told);

            double Objective(double[] p) => p.Zip(rewards, static (share, r) => share * r).Sum() - (Beta * (reversed ? Kl(reference, p) : Kl(p, reference)));
        }
    }

    private static double Kl(double[] p, double[] q) => p.Zip(q, static (a, b) => a * Math.Log(a / b)).Sum();

    private static double[] Best(double[] reference, double[] rewards)
    {
        double[] raw = [.. reference.Zip(rewards, static (p, r) => p * Math.Exp(r / Beta))];
        return [.. raw.Select(value => value / raw.Sum())];
    }

    private static double[] Reversed(double[] reference, double[] rewards)
    {
        double low = rewards.Max() + 1e-12, high = rewards.Max() + 100;
        for (int i = 0; i < 200; i++)
        {
            double middle = (low + high) / 2;
            if (At(middle).Sum() > 1) low = middle;
            else high = middle;
        }

        return At(high);

        double[] At(double lambda) => [.. reference.Zip(rewards, (p, r) => Beta * p / (lambda - r))];
    }
}

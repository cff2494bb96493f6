using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

[TestClass]
public sealed class PreferencePassTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 20, ContextLength = 16, EmbeddingSize = 24, LayerCount = 2, HeadCount = 2 };

    public static IEnumerable<object[]> Objectives =>
        from objective in new (PreferenceObjective, double Smoothing)[] { (PreferenceObjective.Sigmoid, 0), (PreferenceObjective.Sigmoid, 0.2), (PreferenceObjective.Identity, 0), (PreferenceObjective.Hinge, 0) }
        from normalized in new[] { false, true }
        from adapter in new[] { false, true }
        select new object[] { objective.Item1, objective.Smoothing, normalized, adapter };

    // Along the gradient g itself the loss changes by |g| for each unit of the way: the largest change that there is, so that float32's error of the loss, some 1e-7 of its value, is small
    // beside it. A difference of the fourth order, (8·(L(s) − L(−s)) − (L(2s) − L(−2s)))/12s, is exact to the fifth derivative, which lets the step be large. Steep losses need both: a plain
    // difference of the identity objective is off by percents, whatever its step.
    [TestMethod]
    [DynamicData(nameof(Objectives))]
    public void The_gradient_is_the_finite_difference_of_the_loss_that_is_reported(PreferenceObjective objective, double smoothing, bool normalized, bool adapter)
    {
        DirectPreferenceOptions options = new() { Objective = objective, Beta = 0.2, LabelSmoothing = smoothing, LengthNormalized = normalized };
        using FineTuningNetwork trained = FineTuningNetwork.Create(new MildWeights(), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, adapter ? new() { Rank = 3, Projections = LoraProjections.All } : null, seed: 4);
        FlatParameters set = trained.Sets[0];
        if (adapter) Fill(set);
        PreferencePair[] pairs = Pairs(5);
        double reported = Backward(trained, pairs, pairs.Length, options);
        Assert.AreEqual(Loss(), reported, 1e-5 * Math.Max(1, Math.Abs(reported)), "an update and an evaluation report the same loss");
        float[] gradient = Floats(set.GradientSum), weights = Floats(set.Master);
        double norm = Math.Sqrt(gradient.Sum(static g => (double)g * g));
        Assert.IsGreaterThan(1e-3, norm);

        const double step = 5e-4;
        double difference = ((8 * (At(step) - At(-step))) - (At(2 * step) - At(-2 * step))) / (12 * step);
        Assert.AreEqual(norm, difference, 2e-3 * norm);

        // And one number at a time: the largest gradients of three tensors, against a central difference.
        foreach (GptParameterInfo info in set.Layout.Where(static (_, i) => i is 0 or 3 or 6))
        {
            float[] part = Floats(set.ViewOf(set.GradientSum, info.Name)), values = Floats(set.ViewOf(set.Master, info.Name));
            int at = Array.IndexOf(part, part.MaxBy(Math.Abs));
            double slope = (Nudged(5e-3f) - Nudged(-5e-3f)) / 1e-2;
            Assert.AreEqual(part[at], slope, Math.Max(0.02 * Math.Abs(part[at]), 2e-3 * norm), info.Name);

            double Nudged(float by)
            {
                var changed = (float[])values.Clone();
                changed[at] += by;
                set.Write(info.Name, changed);
                double loss = Loss();
                set.Write(info.Name, values);
                return loss;
            }
        }

        double At(double way)
        {
            Write(set, [.. weights.Select((weight, i) => (float)(weight + (way * gradient[i] / norm)))]);
            double loss = Loss();
            Write(set, weights);
            return loss;
        }

        double Loss() => DirectPreferenceEvaluation.Of(trained.Network, pairs, pairs.Length, options, CancellationToken.None).Loss;
    }

    [TestMethod]
    public void Micro_batches_give_the_gradient_of_the_whole_update()
    {
        DirectPreferenceOptions options = new() { Beta = 0.2 };
        using FineTuningNetwork trained = FineTuningNetwork.Create(new MildWeights(), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, null, seed: 4);
        PreferencePair[] pairs = Pairs(5);
        double whole = Backward(trained, pairs, 5, options);
        float[] expected = Floats(trained.Sets[0].GradientSum);
        trained.Sets[0].ZeroGradient();
        double parts = pairs.Chunk(2).Sum(some => Backward(trained, some, 5, options));
        Assert.AreEqual(whole, parts, 1e-6);
        float[] found = Floats(trained.Sets[0].GradientSum);
        float largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5f * largest);
    }

    [TestMethod]
    public void A_policy_that_is_its_reference_implies_no_reward_and_has_the_loss_log_2()
    {
        using FineTuningNetwork trained = FineTuningNetwork.Create(new MildWeights(), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, new() { Rank = 2 }, seed: 4);
        PreferencePair[] pairs = Pairs(4);
        PairLikelihoods[] reference = PreferencePass.Likelihoods(trained.Network, pairs, 4, lengthNormalized: false, CancellationToken.None);
        pairs = [.. pairs.Select((pair, i) => pair with { Reference = reference[i] })];
        using var scope = NewDisposeScope();
        (Tensor loss, Tensor likelihoods, Tensor ratios) = PreferencePass.Backward(trained.Network, pairs, 4, new());
        Assert.AreEqual(Math.Log(2), loss.item<float>(), 1e-6);
        foreach (float ratio in Floats(ratios)) Assert.AreEqual(0f, ratio);
        Assert.AreEqual(reference[1].Chosen, likelihoods[1].item<float>());
        Assert.AreEqual(reference[1].Rejected, likelihoods[5].item<float>());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_likelihood_is_that_of_the_response_alone_as_the_decoder_scores_it(bool normalized)
    {
        using FineTuningNetwork trained = FineTuningNetwork.Create(new MildWeights(), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, null, seed: 4);
        PreferencePair[] pairs = Pairs(4);
        PairLikelihoods[] found = PreferencePass.Likelihoods(trained.Network, pairs, 3, normalized, CancellationToken.None);
        using var model = new TorchCausalModel(trained.ToNetwork(trained.Network));
        for (int i = 0; i < pairs.Length; i++)
        {
            SequenceScore[] expected = [.. ContinuationScorer.Score(model, [Request(pairs[i].Chosen), Request(pairs[i].Rejected)], endOfTextId: 0).Select(static scores => scores[0])];
            Assert.AreEqual(expected[0].LogLikelihood / (normalized ? expected[0].TokenCount : 1), found[i].Chosen, 1e-4);
            Assert.AreEqual(expected[1].LogLikelihood / (normalized ? expected[1].TokenCount : 1), found[i].Rejected, 1e-4);
        }

        static ContinuationRequest Request(SupervisedExample example) => new(example.TokenIds[..^example.TargetCount], [example.TokenIds[^example.TargetCount..]]);
    }

    // The shorter response is chosen in two of three training pairs, so that the shorter one is guessed; where both are as long, that is right half the time.
    [TestMethod]
    public void What_length_alone_tells_is_learnt_from_the_training_pairs_whichever_way_they_point()
    {
        PreferencePair[] training = [Of(1, 2), Of(3, 5), Of(4, 2)], longer = [Of(2, 1), Of(5, 3), Of(2, 4)];
        Assert.AreEqual(1.0, DirectPreferenceEvaluation.LengthAccuracy(training, [Of(1, 3), Of(2, 4)]));
        Assert.AreEqual(0.0, DirectPreferenceEvaluation.LengthAccuracy(training, [Of(3, 1)]));
        Assert.AreEqual(0.5, DirectPreferenceEvaluation.LengthAccuracy(training, [Of(2, 2)]));
        Assert.AreEqual(0.0, DirectPreferenceEvaluation.LengthAccuracy(longer, [Of(1, 3), Of(2, 4)]));
        RankedGroup Group(int better, int worse) => new(0, [new([1], better, 1), new([2], worse, 0)]);
        RankedGroup[] groups = [Group(1, 2), Group(3, 5), Group(4, 2)];
        Assert.AreEqual(1.0, RewardEvaluation.LengthAccuracy(groups, [Group(1, 3)]));
        Assert.AreEqual(0.0, RewardEvaluation.LengthAccuracy(groups, [Group(3, 1)]));

        static PreferencePair Of(int chosen, int rejected) => new(0, 0, SupervisedExample.Of(0, [1], new int[chosen]), SupervisedExample.Of(0, [1], new int[rejected]));
    }

    /// <summary>Prompts of 1 to 4 tokens, responses of 1 to 6, and references that are not the policy's.</summary>
    private static PreferencePair[] Pairs(int count)
    {
        var random = new Random(2);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            int[] prompt = Tokens(1 + (i % 4));
            var pair = new PreferencePair(i, i, SupervisedExample.Of(i, prompt, Tokens(1 + (i % 3))), SupervisedExample.Of(i, prompt, Tokens(2 + (i % 5))));
            return pair with { Reference = new(-2.9 * pair.Chosen.TargetCount, -3.1 * pair.Rejected.TargetCount) };
        })];

        int[] Tokens(int length) => [.. Enumerable.Range(0, length).Select(_ => random.Next(Config.VocabularySize))];
    }

    private static double Backward(FineTuningNetwork trained, PreferencePair[] pairs, int pairsOfUpdate, DirectPreferenceOptions options)
    {
        using var scope = NewDisposeScope();
        double loss = PreferencePass.Backward(trained.Network, pairs, pairsOfUpdate, options).Loss.item<float>();
        trained.Sets[0].CollectGradient();
        return loss;
    }

    /// <summary>Weights by a formula, small enough that the loss is smooth over a step.</summary>
    private sealed class MildWeights : IGptWeights
    {
        private readonly FormulaWeights _formula = new(PreferencePassTests.Config);

        public GptConfig Config => _formula.Config;

        public void Read(string name, Span<float> destination)
        {
            _formula.Read(name, destination);
            bool gain = name.Contains("ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal);
            for (int i = 0; i < destination.Length; i++) destination[i] = gain ? 1 + (0.3f * (destination[i] - 1)) : 0.3f * destination[i];
        }
    }

    /// <summary>An adapter that does something: neither of its factors is 0.</summary>
    private static void Fill(FlatParameters set) => Write(set, [.. Enumerable.Range(0, (int)set.Master.numel()).Select(static i => (float)(0.2 * Math.Sin(0.7 * i)))]);

    private static void Write(FlatParameters set, float[] all)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        set.Master.copy_(tensor(all));
        set.RefreshWorkingCopy();
    }

    private static float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.numel()];
        tensor.detach().CopyFloatsTo(values);
        return values;
    }
}

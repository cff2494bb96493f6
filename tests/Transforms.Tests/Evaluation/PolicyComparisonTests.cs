using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Transforms.Tests.Evaluation;

[TestClass]
public sealed class PolicyComparisonTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void A_win_rate_is_read_from_two_score_columns()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 10).Select(static i => new { A = i < 6 ? 1f : 0f, B = i is 5 or 9 ? 1f : 0.5f }));
        WinRate rate = Ml.Gpt().Evaluate.WinRate(rows, "A", "B");
        Assert.AreEqual(MLNet.Gpt.WinRate.Of(wins: 5, ties: 1, losses: 4), rate);
        Assert.AreEqual(0.5, Ml.Gpt().Evaluate.WinRate(rows, "A", "A").Rate);
        Assert.AreEqual("C", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Evaluate.WinRate(rows, "A", "C")).ColumnName);
    }

    // At each token the policies end with 0.2 and write "a" with 0.8·p. Entropy H(p) = −0.2·ln 0.2 − 0.8p·ln 0.8p − 0.8(1 − p)·ln 0.8(1 − p); a response has 5 tokens in the mean, its end
    // included, so that KL(p‖q) = 5·0.8·(p·ln(p/q) + (1 − p)·ln((1 − p)/(1 − q))).
    [TestMethod]
    public void Reward_length_entropy_and_divergence_are_those_of_the_distributions()
    {
        using GptModel often = Policies.Coin(0.8), seldom = Policies.Coin(0.3);
        using GptRewardModel judge = CountingReward.Of('a', out _);
        IDataView prompts = Prompts(600);
        PolicyComparison found = Ml.Gpt().Evaluate.Policies(prompts, "Prompt", [("often", often), ("seldom", seldom)], judge, new() { Reference = seldom, Generation = new() { MaxNewTokens = 28 }, SampleRows = 2 });
        Assert.AreEqual(600, found.Prompts);
        foreach ((JudgedPolicy policy, double p, double q) in ((JudgedPolicy, double, double)[])[(found.Policies[0], 0.8, 0.3), (found.Policies[1], 0.3, 0.3)])
        {
            // Four letters in the mean (0.8/0.2), of variance 20; a share p of them is an "a". Four standard errors of 600 prompts.
            Assert.AreEqual(4 * p, policy.MeanReward, 4 * policy.RewardStandardError, policy.ToString());
            Assert.AreEqual(5, policy.MeanTokens, 4 * Math.Sqrt(20.0 / 600));
            Assert.AreEqual(1, policy.FinishedShare, 0.02);
            double entropy = -(0.2 * Math.Log(0.2)) - (0.8 * p * Math.Log(0.8 * p)) - (0.8 * (1 - p) * Math.Log(0.8 * (1 - p)));
            Assert.AreEqual(entropy, policy.Entropy!.Value, 0.06);
            double kl = 4 * ((p * Math.Log(p / q)) + ((1 - p) * Math.Log((1 - p) / (1 - q))));
            Assert.AreEqual(kl, policy.Kl!.Value, (4 * policy.KlStandardError!.Value) + 1e-5, policy.ToString());
        }

        Assert.AreEqual(0.0, found.Policies[1].Kl, "of itself it is 0");
        WinRate rate = found.WinRateOf("often", "seldom");
        Assert.IsGreaterThan(0.5, rate.Lower);
        Assert.AreEqual(1, rate.Rate + found.WinRateOf("seldom", "often").Rate, 1e-12);
        Assert.AreEqual("often", found.Ratings![0].Player);
        Assert.HasCount(4, found.Samples);
        Assert.IsTrue(found.Samples.All(static one => one.Reward == one.Response.Count(static c => c == 'a')));
        Assert.ThrowsExactly<ArgumentException>(() => found.WinRateOf("often", "other"));
    }

    [TestMethod]
    public void Any_function_judges_and_a_policy_that_never_loses_has_no_rating()
    {
        using GptModel one = Policies.Coin(0.5), other = Policies.Coin(0.4);
        int calls = 0;
        PolicyComparison found = Ml.Gpt().Evaluate.Policies(Prompts(5), "Prompt", [("one", one), ("other", other)], pairs => [.. pairs.Select(_ => calls++ < 5 ? 1f : 0f)], new() { Generation = new() { Temperature = 0 } });
        Assert.AreEqual(1, found.WinRates.Single().WinRate.Rate);
        Assert.IsNull(found.Ratings);
        Assert.IsNull(found.Policies[0].Entropy, "what greedy decoding writes is no sample of the policy");
        Assert.HasCount(1, Ml.Gpt().Evaluate.Policies(Prompts(2), "Prompt", [("one", one)], pairs => [.. pairs.Select(static _ => 1f)]).Policies);
    }

    // Equal prompts get equal responses: counted each time, 3 prompts would have the narrow interval of 30.
    [TestMethod]
    public void A_prompt_that_comes_several_times_counts_once()
    {
        using GptModel often = Policies.Coin(0.8), seldom = Policies.Coin(0.3);
        IDataView prompts = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 30).Select(static i => new { Prompt = "cde"[i % 3].ToString() }).ToArray());
        int asked = 0;
        PolicyComparison found = Ml.Gpt().Evaluate.Policies(prompts, "Prompt", [("often", often), ("seldom", seldom)], pairs =>
        {
            asked += pairs.Count;
            return [.. pairs.Select(static pair => (float)pair.Prompt[0])];
        });
        Assert.AreEqual((3, 3, 6), (found.Prompts, found.WinRates.Single().WinRate.Count, asked));
        // The judge says 'c', 'd', 'e': a standard deviation of 1 over √3.
        Assert.AreEqual(1 / Math.Sqrt(3), found.Policies[0].RewardStandardError, 1e-9);
        CollectionAssert.AreEqual(new[] { "c", "c", "d", "d", "e", "e" }, found.Samples.Select(static one => one.Prompt).ToArray());
    }

    // All six rankings of three policies: BradleyTerryRatingsTests works the interval out.
    [TestMethod]
    public void Ratings_of_three_policies_heed_that_a_prompts_comparisons_share_its_responses()
    {
        using GptModel policy = Policies.Coin(0.5);
        float[][] rewards = [[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1], [2, 1, 2, 0, 1, 0]];
        int call = 0;
        PolicyComparison found = Ml.Gpt().Evaluate.Policies(Prompts(6), "Prompt", [("a", policy), ("b", policy), ("c", policy)], _ => rewards[call++]);
        foreach (PlayerRating player in found.Ratings!)
            Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(4.0 / (3 * 6) * 2 / 3 * 4 / 3 * 6 / 5), player.Upper - player.Rating, 1e-4, player.ToString());
    }

    [TestMethod]
    public void What_can_not_be_compared_is_refused()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel broken = CountingReward.Of('a', out _, static _ => float.NaN);
        GptEvaluationCatalog evaluate = Ml.Gpt().Evaluate;
        Assert.ThrowsExactly<NonFiniteRewardException>(() => evaluate.Policies(Prompts(2), "Prompt", [("p", policy)], broken));
        Assert.ThrowsExactly<ArgumentException>(() => evaluate.Policies(Prompts(2), "Prompt", [("p", policy)], static _ => [1f]));
        Assert.ThrowsExactly<ArgumentException>(() => evaluate.Policies(Prompts(2), "Prompt", [("p", policy), ("p", policy)], static _ => [1f, 1f]));
        Assert.ThrowsExactly<ArgumentException>(() => evaluate.Policies(Prompts(0), "Prompt", [("p", policy)], static _ => []));
        Assert.ThrowsExactly<ArgumentException>(() => evaluate.Policies(Prompts(2), "Prompt", [], static _ => [1f, 1f]));
        foreach (GenerateTextOptions other in (GenerateTextOptions[])
        [
            new() { TopK = 3 }, new() { TopP = 0.9f }, new() { MinP = 0.1f }, new() { TypicalP = 0.9f }, new() { RepetitionPenalty = 1.2f }, new() { PresencePenalty = 1 }, new() { FrequencyPenalty = 1 },
            new() { NoRepeatNgramSize = 2 }, new() { LogitBias = new Dictionary<int, float> { [1] = 2 } }, new() { MinNewTokens = 2 }, new() { Constraint = TextConstraint.Regex("a*") },
        ]) StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new PolicyComparisonOptions { Reference = policy, Generation = other }.Validate(), other.ToString()).Message, "not drawn from the policies' own distributions");
        foreach (PolicyComparisonOptions bad in (PolicyComparisonOptions[])[new() { Reference = policy, Generation = new() { Temperature = 0.7f } }, new() { TieTolerance = -1 }, new() { Level = 1 }, new() { SampleRows = -1 }, new() { Generation = new() { SamplesPerPrompt = 2 } }])
            Assert.Throws<ArgumentException>(() => evaluate.Policies(Prompts(2), "Prompt", [("p", policy)], static _ => [1f, 1f], bad), bad.ToString());
        using var foreign = new GptModel(Policies.CoinEngine(0.5), GptTokenizer.FromCharacters(["abcdef"]));
        Assert.ThrowsExactly<ArgumentException>(() => evaluate.Policies(Prompts(2), "Prompt", [("p", policy)], static _ => [1f, 1f], new() { Reference = foreign }));
    }

    /// <summary>Prompts that differ, so that their samples do.</summary>
    internal static IDataView Prompts(int count) => Ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(static i => new { Prompt = string.Concat($"{i:D3}".Select(static digit => (char)('c' + digit - '0'))) }).ToArray());
}

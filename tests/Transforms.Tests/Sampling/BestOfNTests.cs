using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Transforms.Tests.Evaluation;

namespace MLNet.Gpt.Transforms.Tests.Sampling;

[TestClass]
public sealed class BestOfNTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void The_response_with_the_highest_reward_is_kept_with_its_reward_beside_the_mean()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        IDataView rows = Rows("x", "y", "z");
        Best[] found = Read(Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, new BestOfNOptions
        {
            Samples = 12, ScoreColumnName = "Reward", MeanScoreColumnName = "Mean", Generation = new() { MaxNewTokens = 8, FinishReasonColumnName = "Reason", TokenCountColumnName = "Tokens", LogProbabilitiesColumnName = "Log" },
        }).Fit(rows).Transform(rows));
        for (int i = 0; i < 3; i++)
        {
            // The same twelve, drawn and counted here.
            IReadOnlyList<GeneratedText> drawn = policy.Generate(["xyz"[i].ToString()], new() { MaxNewTokens = 8, SamplesPerPrompt = 12, TopLogProbabilities = 0 });
            int most = drawn.Max(static text => text.Text.Count(static c => c == 'a'));
            GeneratedText first = drawn.First(text => text.Text.Count(static c => c == 'a') == most);
            Assert.AreEqual(first.Text, found[i].Response);
            Assert.AreEqual(most, found[i].Reward);
            Assert.AreEqual(drawn.Average(static text => (float)text.Text.Count(static c => c == 'a')), found[i].Mean, 1e-6f);
            Assert.AreEqual(first.FinishReason.ToString(), found[i].Reason);
            Assert.AreEqual(first.TokenCount, found[i].Tokens);
            CollectionAssert.AreEqual(first.LogProbabilities!.Select(static token => token.LogProbability).ToArray(), found[i].Log);
            Assert.IsGreaterThan(found[i].Mean, found[i].Reward);
        }
    }

    [TestMethod]
    public void A_rows_response_does_not_depend_on_the_rows_around_it_and_equal_responses_are_scored_once()
    {
        using GptModel policy = Policies.Coin(0.3);
        using GptRewardModel reward = CountingReward.Of('a', out CountingReward engine);
        BestOfNOptions options = new() { Samples = 20, Generation = new() { MaxNewTokens = 3, Seed = 4 } };
        IDataView all = Rows("x", "y", "x"), one = Rows("y");
        BestOfNTransformer best = Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, options).Fit(all);
        string[] together = [.. best.Transform(all).GetColumn<string>("Response")];
        Assert.AreEqual(together[1], best.Transform(one).GetColumn<string>("Response").Single());
        Assert.AreEqual(together[0], together[2]);
        Assert.IsLessThan(3 * 20, engine.Sequences, "15 texts of three letters at most");
    }

    [TestMethod]
    public void With_one_sample_it_is_what_the_policy_writes()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        IDataView rows = Rows("x", "yy");
        GenerateTextOptions generation = new() { MaxNewTokens = 6, Seed = 2 };
        CollectionAssert.AreEqual(
            Ml.Gpt().Transforms.GenerateText("Response", "Prompt", policy, generation).Fit(rows).Transform(rows).GetColumn<string>("Response").ToArray(),
            Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, new BestOfNOptions { Samples = 1, Generation = generation }).Fit(rows).Transform(rows).GetColumn<string>("Response").ToArray());
        Assert.AreEqual(0, new BestOfNOptions { Samples = 1 }.KlBound);
        Assert.AreEqual(Math.Log(4) - 0.75, new BestOfNOptions { Samples = 4 }.KlBound, 1e-12);
    }

    [TestMethod]
    public void Both_models_are_saved_and_loaded_with_the_pipeline()
    {
        using var folder = new TemporaryFolder();
        using GptModel policy = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        using GptRewardModel reward = GptRewardModel.FromOnnx(TestModels.WriteReward(folder), GptDevice.Cpu);
        IDataView rows = Rows("a cab", "", "bead");
        BestOfNOptions options = new() { Samples = 6, MaxBatchTokens = 100, ScoreColumnName = "Reward", MeanScoreColumnName = "Mean", Generation = new() { MaxNewTokens = 6, Seed = 3, FinishReasonColumnName = "Reason", TokenCountColumnName = "Tokens", LogProbabilitiesColumnName = "Log" } };
        ITransformer fitted = Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, options).Append(Ml.Gpt().Transforms.ScoreText("Likelihood", "Response", policy)).Fit(rows);
        Best[] expected = Read(fitted.Transform(rows));
        Assert.AreEqual(3, expected.Select(static row => row.Response).Distinct().Count());
        Ml.Model.Save(fitted, rows.Schema, folder["model.zip"]);
        ITransformer loaded = new MLContext().Model.Load(folder["model.zip"], out _);
        using var disposal = (IDisposable)loaded;
        BestOfNTransformer first = ((TransformerChain<ITransformer>)loaded).OfType<BestOfNTransformer>().Single();
        Assert.AreEqual(options, first.Options with { Generation = options.Generation });
        Assert.AreSame(first.Model, ((TransformerChain<ITransformer>)loaded).OfType<ScoreTextTransformer>().Single().Model, "the policy is opened once");
        AreEqual(expected, Read(loaded.Transform(rows)));

        // And saved again from what was loaded.
        Ml.Model.Save(loaded, rows.Schema, folder["again.zip"]);
        ITransformer again = Ml.Model.Load(folder["again.zip"], out _);
        using var other = (IDisposable)again;
        AreEqual(expected, Read(again.Transform(rows)));

        static void AreEqual(Best[] expected, Best[] found)
        {
            CollectionAssert.AreEqual(expected.Select(static row => (row.Response, row.Reason, row.Tokens)).ToArray(), found.Select(static row => (row.Response, row.Reason, row.Tokens)).ToArray());
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.AreEqual(expected[i].Reward, found[i].Reward, 1e-5f);
                Assert.AreEqual(expected[i].Mean, found[i].Mean, 1e-5f);
            }
        }
    }

    [TestMethod]
    public void A_reward_that_is_no_number_and_a_prompt_that_is_too_long_name_their_row()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel broken = CountingReward.Of('a', out _, static count => count > 1 ? float.NaN : count);
        IDataView rows = Rows("aa", "x");
        BestOfNTransformer best = Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, broken, new BestOfNOptions { Samples = 2, Generation = new() { MaxNewTokens = 1 } }).Fit(rows);
        TextRowException error = Assert.ThrowsExactly<TextRowException>(() => best.Transform(rows).GetColumn<string>("Response").ToArray());
        Assert.AreEqual(0L, error.Row);
        Assert.IsInstanceOfType<NonFiniteRewardException>(error.InnerException);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        IDataView longRows = Rows("x", new string('x', 80));
        error = Assert.ThrowsExactly<TextRowException>(() => Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, 2).Fit(longRows).Transform(longRows).GetColumn<string>("Response").ToArray());
        Assert.AreEqual(1L, error.Row);
    }

    [TestMethod]
    public void What_does_not_go_together_is_refused()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        foreach (BestOfNOptions bad in (BestOfNOptions[])
        [
            new() { Samples = 0 }, new() { MaxBatchTokens = 0 }, new() { Generation = new() { Temperature = 0 } }, new() { Generation = new() { SamplesPerPrompt = 2 } },
            new() { ScoreColumnName = "Response" }, new() { Generation = new() { LogProbabilitiesColumnName = "Score" } }, new() { Generation = new() { PromptForm = PromptForm.Conversation } },
        ]) Assert.Throws<Exception>(() => Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, reward, bad), bad.ToString());
        using var conversations = new GptRewardModel(new CountingReward(new() { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 32 }, 1, head: new() { Conversations = true }), TestModels.Letters,
            ChatTemplate.Default with { SystemMarker = null, UserMarker = "u", AssistantMarker = "a", Start = "" });
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Transforms.GenerateBestOfN("Response", "Prompt", policy, conversations)).Message, "reads conversations");
    }

    private static IDataView Rows(params string[] prompts) => Ml.Data.LoadFromEnumerable(prompts.Select(static prompt => new { Prompt = prompt }));

    private static Best[] Read(IDataView view) => [.. Ml.Data.CreateEnumerable<Best>(view, reuseRowObject: false)];

    private sealed class Best
    {
        public string Response { get; set; } = "";

        public float Reward { get; set; }

        public float Mean { get; set; }

        public string Reason { get; set; } = "";

        public int Tokens { get; set; }

        public float[] Log { get; set; } = [];
    }
}

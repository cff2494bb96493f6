using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Transforms.Tests.Evaluation;

namespace MLNet.Gpt.Transforms.Tests.Sampling;

[TestClass]
public sealed class RejectionSamplingTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void The_best_different_finished_responses_that_reach_the_reward_are_kept()
    {
        RejectionSamplingOptions options = new() { Samples = 5, Keep = 2, MinReward = 1 };
        SampledResponse[] drawn = [new("a", 1, FinishReason.StopToken, 1), new("b", 3, FinishReason.MaxNewTokens, 1), new("c", 2, FinishReason.StopString, 1), new("c", 2, FinishReason.StopToken, 1), new("d", 0.5f, FinishReason.StopToken, 1), new("", 9, FinishReason.StopToken, 0)];
        Assert.AreEqual("c a", Kept(options));
        Assert.AreEqual("b c", Kept(options with { FinishedOnly = false }));
        Assert.AreEqual("c", Kept(options with { Keep = 1 }));
        Assert.AreEqual("", Kept(options with { MinReward = 5 }));
        Assert.AreEqual("c a d", Kept(options with { Keep = 5, MinReward = null }));

        string Kept(RejectionSamplingOptions how) => string.Join(' ', RejectionSamplingTransformer.Best(drawn, how).Select(static one => one.Text));
    }

    [TestMethod]
    public void The_rows_are_prompts_with_their_best_responses_the_same_each_time()
    {
        using GptModel policy = Policies.Coin(0.6);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        IDataView prompts = Rows([.. Enumerable.Range(0, 20).Select(static i => $"{(char)('c' + i)}")]);
        RejectionSamplingOptions options = new() { Samples = 10, Keep = 3, MinReward = 3, PromptBatchSize = 7, Generation = new() { MaxNewTokens = 12 } };
        IDataView kept = Ml.Gpt().Transforms.SampleBestResponses("Completion", "Prompt", policy, reward, options).Fit(prompts).Transform(prompts);
        CollectionAssert.AreEqual(new[] { "Prompt", "Completion", "Score" }, kept.Schema.Select(static column => column.Name).ToArray());
        Example[] rows = Read(kept);
        CollectionAssert.AreEqual(rows, Read(kept));
        Assert.IsGreaterThan(20, rows.Length);
        foreach (IGrouping<string, Example> group in rows.GroupBy(static row => row.Prompt))
        {
            Assert.IsLessThanOrEqualTo(3, group.Count());
            CollectionAssert.AreEqual(group.OrderByDescending(static row => row.Score).Select(static row => row.Score).ToArray(), group.Select(static row => row.Score).ToArray());
            CollectionAssert.AllItemsAreUnique(group.Select(static row => row.Completion).ToArray());
        }

        Assert.IsTrue(rows.All(static row => row.Score >= 3 && row.Score == row.Completion.Count(static c => c == 'a')));
        CollectionAssert.AreEqual(rows.Select(static row => row.Prompt).Distinct().ToArray(), rows.Select(static row => row.Prompt).Distinct().Order().ToArray(), "in the order of the prompts");

        // As one of a pipeline's steps, without a score.
        IDataView other = Ml.Transforms.CopyColumns("Ask", "Prompt").Append(Ml.Gpt().Transforms.SampleBestResponses("Answer", "Ask", policy, reward, options with { ScoreColumnName = null })).Fit(prompts).Transform(prompts);
        CollectionAssert.AreEqual(rows.Select(static row => row.Completion).ToArray(), other.GetColumn<string>("Answer").ToArray());
        Assert.HasCount(2, other.Schema);
    }

    [TestMethod]
    public void Both_models_are_saved_and_loaded()
    {
        using var folder = new TemporaryFolder();
        using GptModel policy = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        using GptRewardModel reward = GptRewardModel.FromOnnx(TestModels.WriteReward(folder), GptDevice.Cpu);
        IDataView prompts = Rows("ab", "c", "");
        RejectionSamplingOptions options = new() { Samples = 4, Keep = 2, FinishedOnly = false, Generation = new() { MaxNewTokens = 5 } };
        RejectionSamplingTransformer fitted = Ml.Gpt().Transforms.SampleBestResponses("Completion", "Prompt", policy, reward, options).Fit(prompts);
        Example[] expected = Read(fitted.Transform(prompts));
        Assert.HasCount(6, expected);
        Ml.Model.Save(fitted, prompts.Schema, folder["model.zip"]);
        ITransformer loaded = new MLContext().Model.Load(folder["model.zip"], out _);
        using var disposal = (IDisposable)loaded;
        Example[] found = Read(loaded.Transform(prompts));
        CollectionAssert.AreEqual(expected.Select(static row => (row.Prompt, row.Completion)).ToArray(), found.Select(static row => (row.Prompt, row.Completion)).ToArray());
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i].Score, found[i].Score, 1e-5f);
    }

    [TestMethod]
    public void Conversations_come_back_with_the_answer_as_their_last_turn()
    {
        ChatTemplate template = new() { Start = "", SystemMarker = null, UserMarker = "u", AssistantMarker = "v" };
        var engine = Policies.CoinEngine(0.5);
        using var policy = new GptModel(engine, TestModels.Letters, template);
        using var reward = new GptRewardModel(new CountingReward(new() { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 32 }, TestModels.Letters.Encode("a").Single(), head: new() { Conversations = true }), TestModels.Letters, template);
        IDataView prompts = Rows(ConversationJson.Write([ConversationTurn.User("x")]));
        Example row = Read(Ml.Gpt().Transforms.SampleBestResponses("Conversation", "Prompt", policy, reward, new() { Samples = 8, Generation = new() { MaxNewTokens = 8, PromptForm = PromptForm.Conversation } }).Fit(prompts).Transform(Ml.Transforms.CopyColumns("Completion", "Prompt").Fit(prompts).Transform(prompts)), "Conversation").Single();
        IReadOnlyList<ConversationTurn> turns = ConversationJson.Parse(row.Completion);
        Assert.HasCount(2, turns);
        Assert.AreEqual(ConversationRole.Assistant, turns[1].Role);
        Assert.AreEqual(turns[1].Content.Count(static c => c == 'a'), row.Score);
    }

    [TestMethod]
    public void What_can_not_be_is_refused_and_a_row_at_fault_is_named()
    {
        using GptModel policy = Policies.Coin(0.5);
        using GptRewardModel reward = CountingReward.Of('a', out _);
        foreach (RejectionSamplingOptions bad in (RejectionSamplingOptions[])
        [
            new() { Samples = 0 }, new() { Keep = 0 }, new() { Samples = 2, Keep = 3 }, new() { MinReward = float.NaN }, new() { PromptBatchSize = 0 }, new() { Generation = new() { TokenCountColumnName = "N" } }, new() { Generation = new() { LogProbabilitiesColumnName = "N" } }, new() { ScoreColumnName = "Prompt" },
        ]) Assert.Throws<ArgumentException>(() => Ml.Gpt().Transforms.SampleBestResponses("Completion", "Prompt", policy, reward, bad), bad.ToString());
        IDataView prompts = Rows("x", new string('x', 80), "y");
        RejectionSamplingTransformer sampling = Ml.Gpt().Transforms.SampleBestResponses("Completion", "Prompt", policy, reward).Fit(prompts);
        Assert.AreEqual(1L, Assert.ThrowsExactly<TextRowException>(() => sampling.Transform(prompts).GetColumn<string>("Completion").ToArray()).Row);
        Assert.IsFalse(sampling.IsRowToRowMapper);
        Assert.ThrowsExactly<InvalidOperationException>(() => sampling.GetRowToRowMapper(prompts.Schema));
        Assert.ThrowsExactly<ColumnMismatchException>(() => sampling.Transform(Ml.Data.LoadFromEnumerable([new { Text = "x" }])));
    }

    private static IDataView Rows(params string[] prompts) => Ml.Data.LoadFromEnumerable(prompts.Select(static prompt => new { Prompt = prompt }));

    private static Example[] Read(IDataView view, string completion = "Completion") =>
        [.. view.GetColumn<string>("Prompt").Zip(view.GetColumn<string>(completion), view.GetColumn<float>("Score")).Select(static row => new Example(row.First, row.Second, row.Third))];

    private sealed record Example(string Prompt, string Completion, float Score);
}

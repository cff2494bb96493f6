using MLNet.Gpt.Core.Tests.Engine;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

/// <summary>
/// Responses of 2 to 8 letters, whose grade is how many of them are an "a", up to 4: the length tells something of it, the letters all.
/// </summary>
[TestClass]
public sealed class RewardModelTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };
    private static readonly string Folder = Directory.CreateTempSubdirectory("mlnet-gpt-reward-").FullName;
    private static readonly RewardModelOptions Options = new()
    {
        Epochs = 6,
        BatchSize = 16,
        Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 5, WeightDecay = 0 },
        Run = new() { Device = GptDevice.Cpu, Precision = GptPrecision.Float32, PeakFlops = 0, Folder = Path.Combine(Folder, "run"), Seed = 1 },
    };

    private static IDataView training = null!, test = null!;
    private static GptModel pretrained = null!;
    private static GptRewardModelTransformer trained = null!;

    [ClassInitialize]
    public static void TrainOnce(TestContext context)
    {
        training = Keyed(Rows(240, seed: 1));
        test = Keyed(Rows(180, seed: 2));
        pretrained = new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed: 3)), Letters);
        trained = Trainer(Options).Fit(training, test);
    }

    [ClassCleanup]
    public static void Clean()
    {
        trained.Dispose();
        pretrained.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    [TestMethod]
    public void It_learns_what_the_grades_mean_and_not_the_length_alone_over_several_seeds()
    {
        foreach (int seed in (int[])[1, 2, 3])
        {
            using GptRewardModelTransformer? other = seed == 1 ? null : Trainer(Options with { Run = Options.Run with { Folder = null, Seed = seed } }).Fit(training, test);
            RewardModelResult result = (other ?? trained).Training;
            Assert.IsGreaterThan(0.9, result.Validation!.Accuracy, result.Validation.ToString());
            Assert.IsGreaterThan(0.55, result.LengthAccuracy!.Value, "the length tells something");
            Assert.IsLessThan(0.8, result.LengthAccuracy!.Value);
            Assert.IsLessThan(0.35, result.Validation.Loss, "nats; log 2 is chance");
            Assert.IsGreaterThan(0, result.Validation.Margin);
            TrainingProgress first = result.History[0], last = result.History[^1];
            CollectionAssert.AreEqual(new[] { "accuracy", "margin", "max_reward", "mean_reward", "min_reward" }, last.Metrics!.Keys.ToArray());
            Assert.IsGreaterThan(first.Metrics!["accuracy"], last.Metrics["accuracy"]);
            Assert.IsTrue(last.Metrics["min_reward"] < last.Metrics["mean_reward"] && last.Metrics["mean_reward"] < last.Metrics["max_reward"]);
        }
    }

    [TestMethod]
    public void MLNETs_ranking_evaluation_reads_the_score()
    {
        IDataView scored = trained.Transform(test);
        DataViewSchema.Column score = scored.Schema["Score"];
        ReadOnlyMemory<char> kind = default;
        score.Annotations.GetValue("ScoreColumnKind", ref kind);
        Assert.AreEqual("Ranking", kind.ToString());
        RankingMetrics metrics = Ml.Ranking.Evaluate(scored, labelColumnName: "Label", rowGroupColumnName: "Group", scoreColumnName: "Score");

        // Against rewards of the first letter, which say nothing.
        RankingMetrics chance = Ml.Ranking.Evaluate(Ml.Transforms.CopyColumns("Score", "Random").Fit(test).Transform(test), labelColumnName: "Label", rowGroupColumnName: "Group", scoreColumnName: "Score");
        Assert.IsGreaterThan(0.95, metrics.NormalizedDiscountedCumulativeGains[0]);
        Assert.IsLessThan(0.85, chance.NormalizedDiscountedCumulativeGains[0]);
    }

    [TestMethod]
    public void The_best_training_responses_have_a_mean_reward_of_0()
    {
        double mean = Ml.Data.CreateEnumerable<Scored>(trained.Transform(training), reuseRowObject: false).GroupBy(static row => row.Prompt)
            .Select(static group => group.Where(row => row.Label == group.Max(static r => r.Label)).Average(static row => row.Score)).Average();
        Assert.AreEqual(0, mean, 1e-4);
        Assert.AreNotEqual(0, trained.Training.Shift);
    }

    [TestMethod]
    public void ONNX_Runtime_gives_the_same_scores_in_a_pipeline_that_was_saved_and_loaded()
    {
        float[] expected = Scores(trained.Transform(test));
        Assert.IsGreaterThanOrEqualTo(500, expected.Length);
        string file = Path.Combine(Folder, "model.zip");
        Ml.Model.Save(trained, training.Schema, file);
        ITransformer loaded = new MLContext().Model.Load(file, out _);
        Assert.IsInstanceOfType<OnnxRewardModel>(((ScoreResponseTransformer)((loaded as TransformerChain<ITransformer>)?.LastTransformer ?? loaded)).Model.Engine);
        AreClose(expected, Scores(loaded.Transform(test)));
        (loaded as IDisposable)?.Dispose();

        // In a process that has never seen the model, behind another transform, without TorchSharp.
        string rows = Path.Combine(Folder, "rows.tsv"), pipeline = Path.Combine(Folder, "pipeline.zip");
        File.WriteAllLines(rows, Ml.Data.CreateEnumerable<Row>(test, reuseRowObject: false).Select(static row => $"{row.Prompt}\t{row.Response}"));
        IDataView texts = FreshScores.Read(Ml, rows);
        Ml.Model.Save(Ml.Transforms.CopyColumns("Prompt", "Question").Append(Ml.Gpt().Transforms.ScoreResponse("Score", "Prompt", "Response", trained.Model)).Fit(texts), texts.Schema, pipeline);
        AreClose(expected, [.. TestProgram.Run(FreshScores.Command, pipeline, rows).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => float.Parse(line, System.Globalization.CultureInfo.InvariantCulture))]);

        // The package that the run left, its tokenizer and picture beside it.
        using GptRewardModel deployed = GptRewardModel.FromOnnx(Path.Combine(Folder, "run", "model"), GptDevice.Cpu);
        AreClose(expected, Scores(Ml.Gpt().Transforms.ScoreResponse("Score", "Prompt", "Response", deployed).Fit(test).Transform(test)));
        StringAssert.Contains(File.ReadAllText(Path.Combine(Folder, "run", "calibration.svg")), "<circle");

        static void AreClose(float[] expected, float[] found)
        {
            Assert.HasCount(expected.Length, found);
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-4f);
        }
    }

    [TestMethod]
    public void A_score_is_that_of_the_pair_alone_whatever_is_computed_with_it()
    {
        (string, string)[] pairs = [("ab", "aaa"), ("c", "b"), ("defg", "abababab")];
        IReadOnlyList<ResponseReward> together = trained.Model.Score(pairs);
        for (int i = 0; i < pairs.Length; i++) Assert.AreEqual(together[i].Reward, trained.Model.Score(pairs[i].Item1, pairs[i].Item2).Reward, 1e-5f);
        Assert.IsGreaterThan(trained.Model.Score("ab", "bcd").Reward, trained.Model.Score("ab", "aca").Reward);
        Assert.AreEqual(4, trained.Model.Score("abcdefghij", "abcdefghi").DroppedTokens, "10 + 9 and the end, of 16");
    }

    [TestMethod]
    public void A_response_that_does_not_fit_fails_alone_and_names_its_row()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(new[] { new { Prompt = "a", Response = "b" }, new { Prompt = "a", Response = "abcdefghijabcdefghij" }, new { Prompt = "a", Response = "c" } });
        using DataViewRowCursor cursor = trained.Transform(rows).GetRowCursor(trained.Transform(rows).Schema);
        ValueGetter<float> getter = cursor.GetGetter<float>(cursor.Schema["Score"]);
        float value = 0;
        cursor.MoveNext();
        getter(ref value);
        cursor.MoveNext();
        TextRowException exception = Assert.ThrowsExactly<TextRowException>(() => getter(ref value));
        Assert.AreEqual(1, exception.Row);
        Assert.IsInstanceOfType<PromptTooLongException>(exception.InnerException);
        cursor.MoveNext();
        getter(ref value);
        Assert.IsTrue(float.IsFinite(value));
    }

    [TestMethod]
    public void Conversations_are_prompts_as_well()
    {
        ChatTemplate template = ChatTemplate.Default;
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([$"abcdefghij {template.Start}{template.SystemMarker}{template.UserMarker}{template.AssistantMarker}{template.AfterTurn}"]);
        using GptModel model = new(new TorchCausalModel(new GptNetwork(Shape with { VocabularySize = tokenizer.VocabularySize, ContextLength = 64 }, GptDevice.Cpu, seed: 3)), tokenizer);
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 24).Select(static i => new { Prompt = $$"""[{"role":"user","content":"{{(char)('a' + (i % 10))}}"}]""", Good = "aa", Bad = "bc" }));
        using GptRewardModelTransformer fitted = Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Good", "Bad", Options with
        {
            Pretrained = model, Epochs = 3, BatchSize = 8, Head = new() { Conversations = true, Readout = RewardReadout.ReadoutToken }, Run = Options.Run with { Folder = null },
        }).Fit(rows);
        Assert.AreEqual(1, fitted.Training.Validation!.Accuracy);
        string folder = Path.Combine(Folder, "conversations");
        fitted.Model.ExportOnnx(folder);
        using GptRewardModel onnx = GptRewardModel.FromOnnx(folder, GptDevice.Cpu);
        Assert.IsNotNull(onnx.ChatTemplate);
        const string Prompt = """[{"role":"user","content":"d"}]""";
        Assert.AreEqual(fitted.Model.Score(Prompt, "aa").Reward, onnx.Score(Prompt, "aa").Reward, 1e-4f);
        Assert.ThrowsExactly<ConversationException>(() => onnx.Score("no conversation", "aa"));
        File.Delete(Path.Combine(folder, ChatTemplate.FileName));
        Assert.ThrowsExactly<ChatTemplateException>(() => GptRewardModel.FromOnnx(folder, GptDevice.Cpu));
    }

    [TestMethod]
    public void Another_programs_chat_template_is_refused_and_the_callers_is_taken()
    {
        string folder = Path.Combine(Folder, "foreign");
        pretrained.SaveCheckpoint(folder);
        File.WriteAllText(Path.Combine(folder, ChatTemplate.FileName), "{\"chat_template\":\"{% for m in messages %}{{ m['content'] }}{% endfor %}\"}");
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 4).Select(static _ => new { Prompt = "[{\"role\":\"user\",\"content\":\"a\"}]", Good = "aa", Bad = "bc" }));
        RewardModelOptions options = Options with { Pretrained = folder, Epochs = 1, Head = new() { Conversations = true }, Run = Options.Run with { Folder = null } };
        ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(() => Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Good", "Bad", options).Fit(rows));
        StringAssert.Contains(refused.Message, folder);
        ChatTemplate own = ChatTemplate.Default with { SystemMarker = "h", UserMarker = "i", AssistantMarker = "j" };
        using GptRewardModelTransformer fitted = Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Good", "Bad", options with { ChatTemplate = own }).Fit(rows);
        Assert.AreEqual(own, fitted.Model.ChatTemplate);
    }

    [TestMethod]
    public void Who_cancels_gets_the_model_as_it_is_without_more_passes_over_the_data()
    {
        using var cancel = new CancellationTokenSource();
        using GptRewardModelTransformer stopped = Trainer(Options with { Run = Options.Run with { Folder = null, LogInterval = 1, CancellationToken = cancel.Token, Progress = _ => cancel.Cancel() } }).Fit(training, test);
        Assert.IsTrue(stopped.Training.Cancelled);
        Assert.AreEqual(0, stopped.Training.Shift);
        Assert.IsNull(stopped.Training.Validation);
        Assert.IsTrue(float.IsFinite(stopped.Model.Score("ab", "aaa").Reward));
    }

    [TestMethod]
    public void A_package_with_another_tokenizer_or_of_another_kind_is_refused()
    {
        string folder = Path.Combine(Folder, "other");
        trained.Model.ExportOnnx(folder);
        foreach (string file in Directory.GetFiles(folder).Where(static f => Path.GetFileName(f) is not ("model.onnx" or "config.json"))) File.Delete(file);
        GptTokenizer.FromCharacters(["abcdefghik "]).Save(folder);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => GptRewardModel.FromOnnx(folder, GptDevice.Cpu));
        string language = Path.Combine(Folder, "language");
        pretrained.ExportOnnx(language);
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptRewardModel.FromOnnx(language, GptDevice.Cpu)).Message, "no reward model");
    }

    [TestMethod]
    public void Options_outside_their_range_are_refused()
    {
        RewardModelOptions good = Options with { Pretrained = pretrained };
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new RewardModelOptions().Validate()).Message, "Pretrained is not set");
        foreach (RewardModelOptions bad in (RewardModelOptions[])[good with { Margin = -1 }, good with { Centering = double.NaN }, good with { Epochs = 0 }, good with { BatchSize = 0 }, good with { GradeOrder = (GradeOrder)7 }, good with { References = (RewardReferences)7 }])
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => bad.Validate());
        Assert.ThrowsExactly<ArgumentException>(() => (good with { ChatTemplate = ChatTemplate.Default }).Validate());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Chosen", "Rejected", good with { GradeOrder = GradeOrder.LowerIsBetter })).Message, "GradeOrder is LowerIsBetter, and pairs have no grades");

        // Frozen weights: what would have no effect is refused.
        RewardModelOptions frozen = good with { Run = good.Run with { Dropout = null }, Freeze = FrozenWeights.Pretrained };
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => (frozen with { Lora = new() { Rank = 4 } }).Validate()).Message, "Freeze is Pretrained, and Lora trains an adapter of rank 4");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => (frozen with { Run = frozen.Run with { Dropout = new() { Residual = 0.1f } } }).Validate()).Message, "residual 0.1");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => (frozen with { Freeze = (FrozenWeights)7 }).Validate());
        RewardModelOptions again = frozen with { Run = frozen.Run with { ActivationCheckpointing = true } };
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => again.Validate()).Message, "ActivationCheckpointing is true");
        (again with { Head = new() { Readout = RewardReadout.ReadoutToken } }).Validate();
        Assert.ThrowsExactly<ArgumentException>(() => (again with { Freeze = FrozenWeights.AllButHead, Head = new() { Readout = RewardReadout.ReadoutToken } }).Validate());
        Assert.AreEqual((1e-3, 2e-4, 9e-6, 5e-5), (Rate(frozen), Rate(good with { Lora = new() }), Rate(good), (frozen with { Optimizer = new() { LearningRate = 5e-5 } }).OptimizerInUse.LearningRate));
        Assert.ThrowsExactly<PreferenceDataException>(() => Trainer(Options with { Run = Options.Run with { Folder = null }, Evaluation = new() { ValidationFraction = 0, EarlyStoppingPatience = 1 } }).Fit(training));
    }

    private static double Rate(RewardModelOptions options) => (options with { Optimizer = null }).OptimizerInUse.LearningRate;

    private static RewardModelTrainer Trainer(RewardModelOptions options) => Ml.Gpt().Trainers.RewardModel("Label", "Group", "Prompt", "Response", options with { Pretrained = pretrained });

    private static float[] Scores(IDataView scored) => [.. Ml.Data.CreateEnumerable<Scored>(scored, reuseRowObject: false).Select(static row => row.Score)];

    private static IDataView Keyed(IEnumerable<Row> rows)
    {
        IDataView view = Ml.Data.LoadFromEnumerable(rows);
        return Ml.Transforms.Conversion.MapValueToKey("Group", "Prompt").Fit(view).Transform(view);
    }

    /// <summary>2 to 9 responses to each prompt, not all of one grade.</summary>
    private static List<Row> Rows(int prompts, int seed)
    {
        var random = new Random(seed);
        List<Row> rows = [];
        for (int prompt = 0; prompt < prompts; prompt++)
        {
            string text = string.Concat($"{prompt:D3}".Select(static digit => (char)('a' + digit - '0')));
            Row[] group;
            do
            {
                group = [.. Enumerable.Range(0, 2 + (prompt % 8 == 0 ? 7 : prompt % 3)).Select(_ =>
                {
                    string response = string.Concat(Enumerable.Range(0, random.Next(2, 9)).Select(_ => random.Next(3) == 0 ? 'a' : (char)('b' + random.Next(9))));
                    return new Row { Prompt = text, Response = response, Label = Math.Min(4, response.Count(static c => c == 'a')), Random = random.NextSingle() };
                })];
            }
            while (group.All(row => row.Label == group[0].Label));
            rows.AddRange(group);
        }

        return rows;
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";

        public float Label { get; set; }

        public float Random { get; set; }
    }

    private sealed class Scored
    {
        public string Prompt { get; set; } = "";

        public float Label { get; set; }

        public float Score { get; set; }
    }
}

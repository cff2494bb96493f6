using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

/// <summary>Heads that are trained one after another over one pretrained model, which stays as it was.</summary>
[TestClass]
public sealed class FrozenWeightsTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GenerateTextOptions Greedy = new() { MaxNewTokens = 12, Temperature = 0 };
    private static GptLanguageModelTransformer pretrained = null!;
    private static float[] weights = null!;
    private static IDataView training = null!, test = null!;

    private static SupervisedTaskOptions Options => new()
    {
        Pretrained = pretrained.Model, Freeze = FrozenWeights.AllButHead, Epochs = 12, BatchSize = 16, ClassifierDropout = 0, Optimizer = new() { LearningRate = 2e-2 }, Run = new() { Seed = 1, Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    [ClassInitialize]
    public static void Pretrain(TestContext context)
    {
        pretrained = SmallModel.Train(Ml, SmallModel.Options with { MaxSteps = 150 });
        weights = Weights(((TorchCausalModel)pretrained.Model.Engine).Network);
        (training, test) = (Keyed(Reviews.Of(320, seed: 1)), Keyed(Reviews.Of(200, seed: 2)));
    }

    [ClassCleanup]
    public static void Clean() => pretrained.Dispose();

    [TestMethod]
    [DataRow(FrozenWeights.AllButHead)]
    [DataRow(FrozenWeights.Pretrained)]
    public void A_classifier_learns_over_weights_that_stay_as_they_were_bit_for_bit_over_several_seeds(FrozenWeights freeze)
    {
        double majority = Ml.Data.CreateEnumerable<Class>(test, reuseRowObject: false).CountBy(static row => row.Key).Max(static pair => pair.Value) / 200.0;
        foreach (int seed in (int[])[1, 2, 3])
        {
            SupervisedTaskOptions options = Options with { Freeze = freeze, Run = Options.Run with { Seed = seed, LogInterval = 5 } };
            using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.TextClassification("Key", "Text", options).Fit(training);
            var engine = (TorchTextClassifier)trained.Model.Engine;
            CollectionAssert.AreEqual(weights, Weights(engine));
            CollectionAssert.AreEqual(weights, Weights(((TorchCausalModel)pretrained.Model.Engine).Network));

            // Three tokens of 48; three classes of 48 and their biases.
            Assert.AreEqual((3 * 48) + 3 + (freeze == FrozenWeights.Pretrained ? 3 * 48 : 0), trained.Training.TrainedParameters);
            Assert.AreEqual(weights.Length + (6 * 48) + 3, trained.Training.TotalParameters);
            Assert.IsLessThan(0.7 * trained.Training.History[0].Loss, trained.Training.History[^1].Loss, "nats");
            double accuracy = Ml.MulticlassClassification.Evaluate(trained.Transform(test), labelColumnName: "Key").MicroAccuracy;
            Assert.IsGreaterThan(majority + 0.25, accuracy, $"seed {seed}; the most frequent class is {majority:P0}");

            // The same seed begins at the same numbers.
            using SupervisedTaskTransformer shorter = Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Epochs = 1 }).Fit(training);
            var early = (TorchTextClassifier)shorter.Model.Engine;
            CollectionAssert.AreNotEqual(Floats(early, "head.weight", 3 * 48), Floats(engine, "head.weight", 3 * 48));
            float[] tokens = Floats(early, "special_tokens.weight", 3 * 48), later = Floats(engine, "special_tokens.weight", 3 * 48);
            if (freeze == FrozenWeights.AllButHead) CollectionAssert.AreEqual(tokens, later);
            else CollectionAssert.AreNotEqual(tokens, later);
        }
    }

    [TestMethod]
    [DataRow(FrozenWeights.AllButHead)]
    [DataRow(FrozenWeights.Pretrained)]
    public void The_other_tasks_learn_over_frozen_weights_too(FrozenWeights freeze)
    {
        SupervisedTaskOptions options = Options with { Freeze = freeze };
        using SupervisedTaskTransformer entailment = Ml.Gpt().Trainers.TextEntailment("Key", "Text", "Question", options).Fit(Asked(training));
        double majority = Ml.Data.CreateEnumerable<Class>(test, reuseRowObject: false).CountBy(static row => row.Key).Max(static pair => pair.Value) / 200.0;
        Assert.IsGreaterThan(majority + 0.25, Ml.MulticlassClassification.Evaluate(entailment.Transform(Asked(test)), labelColumnName: "Key").MicroAccuracy);

        using SupervisedTaskTransformer similarity = Ml.Gpt().Trainers.SentenceSimilarity("Animal", "Good", "Same", options with { Epochs = 36 }).Fit(Choices(200, seed: 5));
        Assert.IsLessThan(0.15, Ml.Regression.Evaluate(similarity.Transform(Choices(100, seed: 6)), labelColumnName: "Animal").MeanSquaredError, "the variance of the labels is 0.25");

        using SupervisedTaskTransformer choice = Ml.Gpt().Trainers.MultipleChoice("Right", "Prompt", ["First", "Second"], options).Fit(Choices(200, seed: 5));
        Assert.IsGreaterThan(0.75, Ml.MulticlassClassification.Evaluate(choice.Transform(Choices(100, seed: 6)), labelColumnName: "Right").MicroAccuracy, "a half is chance");
        foreach (SupervisedTaskTransformer trained in (SupervisedTaskTransformer[])[entailment, similarity, choice]) CollectionAssert.AreEqual(weights, Weights((IGptWeights)trained.Model.Engine));

        static IDataView Asked(IDataView rows) => Ml.Transforms.Expression("Question", "(text) => \"what is it\"", "Text").Fit(rows).Transform(rows);
    }

    [TestMethod]
    public void Two_classifiers_and_a_reward_model_trained_one_after_another_share_one_package_with_the_language_model()
    {
        using SupervisedTaskTransformer subjects = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options).Fit(training);
        IDataView endings = Ml.Transforms.Conversion.MapValueToKey("Ending", "Label").Fit(Endings(160)).Transform(Endings(160));
        using SupervisedTaskTransformer ends = Ml.Gpt().Trainers.TextClassification("Ending", "Text", Options with { Freeze = FrozenWeights.Pretrained, Epochs = 4 }).Fit(endings);
        using GptRewardModelTransformer animals = Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Good", "Other", new()
        {
            Pretrained = pretrained.Model, Freeze = FrozenWeights.Pretrained, Epochs = 6, BatchSize = 16, Head = new() { Readout = RewardReadout.ReadoutToken }, Optimizer = new() { LearningRate = 2e-2, WarmupSteps = 0, WeightDecay = 0 }, Run = Options.Run,
        }).Fit(Choices(160, seed: 5));
        CollectionAssert.AreEqual(weights, Weights((IGptWeights)animals.Model.Engine));
        Assert.IsGreaterThan(0.75, animals.Training.Validation!.Accuracy, "a half is chance");

        using var folder = new TemporaryFolder();
        pretrained.Model.ExportOnnx(folder["package"], new() { Heads = [subjects.Model.AsHead("subject"), ends.Model.AsHead("ending"), animals.Model.AsHead("animals")] });
        string[] prompts = ["the cat", "an open", "my friend Zoë likes", "1"], texts = [.. Reviews.Of(24, seed: 9).Select(static review => review.Text)];
        using (GptModel packaged = GptModel.FromOnnx(folder["package"], GptDevice.Cpu))
        using (GptClassifier subject = packaged.OpenClassifier("subject"), ending = GptClassifier.FromOnnx(folder["package"], GptDevice.Cpu, head: "ending"))
        using (GptRewardModel reward = packaged.OpenRewardModel("animals"))
        {
            foreach (string prompt in prompts) CollectionAssert.AreEqual(Tokens(pretrained.Model, prompt), Tokens(packaged, prompt));
            Near(Scores(subjects.Model, texts), Scores(subject, texts));
            Near(Scores(ends.Model, texts), Scores(ending, texts));
            Near([.. texts.Select(text => animals.Model.Score("then", text).Reward)], [.. texts.Select(text => reward.Score("then", text).Reward)]);

            // All of them in one pipeline, saved and loaded.
            IDataView rows = Ml.Data.LoadFromEnumerable(texts.Select(static text => new Scored { Text = text }));
            ITransformer pipeline = Ml.Gpt().Transforms.GenerateText("Reply", "Text", packaged, Greedy)
                .Append(Ml.Gpt().Transforms.ClassifyText("Subject", "Text", subject, new() { PredictedLabelColumnName = "PredictedSubject" }))
                .Append(Ml.Gpt().Transforms.ScoreResponse("Reward", "Text", "Reply", reward)).Fit(rows);
            Ml.Model.Save(pipeline, rows.Schema, folder["all.zip"]);
            ITransformer loaded = new MLContext().Model.Load(folder["all.zip"], out _);
            Scored[] found = [.. Ml.Data.CreateEnumerable<Scored>(loaded.Transform(rows), reuseRowObject: false)];
            CollectionAssert.AreEqual(texts.Select(text => pretrained.Model.Generate(text, Greedy)).ToArray(), found.Select(static row => row.Reply).ToArray());
            Near(Scores(subjects.Model, texts), [.. found.SelectMany(static row => row.Subject)]);
            Near([.. texts.Zip(found, (text, row) => animals.Model.Score(text, row.Reply).Reward)], [.. found.Select(static row => row.Reward)]);
            (loaded as IDisposable)?.Dispose();
        }

        // A head over weights that were trained along is refused as ever.
        using SupervisedTaskTransformer whole = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options with { Freeze = FrozenWeights.None, Epochs = 1 }).Fit(training);
        Assert.ThrowsExactly<TrunkMismatchException>(() => pretrained.Model.ExportOnnx(folder["other"], new() { Heads = [whole.Model.AsHead("whole")] }));

        // They share a package with what is trained over them.
        using GptModel over = whole.Model.ToLanguageModel();
        using SupervisedTaskTransformer second = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options with { Pretrained = over, Epochs = 1 }).Fit(training);
        over.ExportOnnx(folder["both"], new() { Heads = [whole.Model.AsHead("whole"), second.Model.AsHead("second")] });
        foreach ((string name, GptClassifier model) in (ReadOnlySpan<(string, GptClassifier)>)[("whole", whole.Model), ("second", second.Model)])
        {
            using GptClassifier packaged = GptClassifier.FromOnnx(folder["both"], GptDevice.Cpu, head: name);
            Near(Scores(model, texts), Scores(packaged, texts));
        }
    }

    [TestMethod]
    public void A_folder_gives_the_same_head_and_a_model_in_memory_may_go_before_the_head()
    {
        using var folder = new TemporaryFolder();
        pretrained.Model.SaveCheckpoint(folder["base"]);
        GptModel model = GptModel.FromCheckpoint(folder["base"], GptDevice.Cpu);
        SupervisedTaskOptions options = Options with { Epochs = 1 };
        using SupervisedTaskTransformer one = Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Pretrained = model }).Fit(training);
        model.Dispose();

        // No dropout is what a frozen network has anyway.
        using SupervisedTaskTransformer other = Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Pretrained = folder["base"], Run = options.Run with { Dropout = DropoutOptions.None } }).Fit(training);
        CollectionAssert.AreEqual(one.Model.Classify("the cat").Scores.ToArray(), other.Model.Classify("the cat").Scores.ToArray());
        using GptModel language = one.Model.ToLanguageModel();
        Assert.AreEqual(pretrained.Model.Generate("the cat", Greedy), language.Generate("the cat", Greedy));
    }

    [TestMethod]
    public void The_language_model_over_a_classifier_keeps_the_pretrained_models_template_and_settings()
    {
        using var folder = new TemporaryFolder();
        pretrained.Model.SaveCheckpoint(folder["base"]);
        ChatTemplate template = ChatTemplate.Default with { UserMarker = "the", AssistantMarker = "cat" };
        template.Save(folder["base"]);
        File.WriteAllText(Path.Combine(folder["base"], "generation_config.json"), """{ "do_sample": true, "temperature": 0.25, "top_k": 7 }""");
        using SupervisedTaskTransformer one = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options with { Epochs = 1, Pretrained = folder["base"] }).Fit(training);
        using GptModel language = one.Model.ToLanguageModel();
        Assert.AreEqual(template, language.ChatTemplate);
        Assert.AreEqual((0.25, 7), (language.Generation.Temperature, language.Generation.TopK));

        // The classifier's own package is no language model's.
        one.Model.ExportOnnx(folder["package"]);
        Assert.IsFalse(File.Exists(Path.Combine(folder["package"], "generation_config.json")));
        Assert.IsFalse(File.Exists(Path.Combine(folder["package"], ChatTemplate.FileName)));
    }

    [TestMethod]
    public void A_checkpoint_is_the_head_and_a_torn_one_is_passed_over_for_the_one_before()
    {
        using var folder = new TemporaryFolder();
        SupervisedTaskOptions options = Options with { Epochs = 1, Run = Options.Run with { CheckpointInterval = 4, KeepCheckpoints = 2 } };
        using SupervisedTaskTransformer whole = Ml.Gpt().Trainers.TextClassification("Key", "Text", options).Fit(training);
        using var cancel = new CancellationTokenSource();
        RunOptions run = options.Run with { Folder = folder["run"], LogInterval = 1, CancellationToken = cancel.Token, Progress = p => { if (p.Step == 8) cancel.Cancel(); } };
        Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Run = run }).Fit(training).Dispose();
        string last = RunCheckpoints.FindLast(folder["run"])!;
        Assert.AreEqual("step-00000008", Path.GetFileName(last));
        CollectionAssert.AreEqual(
            new[] { "training_state/head.safetensors", "training_state/state.json", "training_state/state.safetensors" },
            Directory.EnumerateFiles(last, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(last, file).Replace('\\', '/')).Order(StringComparer.Ordinal).ToArray());

        string head = Path.Combine(last, "training_state", "head.safetensors");
        using (FileStream stream = File.OpenWrite(head)) stream.SetLength(stream.Length / 2);
        Assert.AreEqual("step-00000004", Path.GetFileName(RunCheckpoints.FindLast(folder["run"])!));
        RunOptions resume = options.Run with { Folder = folder["run"], Resume = true };
        Assert.ThrowsExactly<ResumeMismatchException>(() => Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Freeze = FrozenWeights.Pretrained, Run = resume }).Fit(training));
        using SupervisedTaskTransformer rest = Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Run = resume }).Fit(training);
        Assert.AreEqual(20, rest.Training.Steps);
        CollectionAssert.AreEqual(Floats((TorchTextClassifier)whole.Model.Engine, "head.weight", 3 * 48), Floats((TorchTextClassifier)rest.Model.Engine, "head.weight", 3 * 48));
    }

    private static int[] Tokens(GptModel model, string prompt) => [.. model.GenerateSequences([model.Tokenizer.Encode(prompt)], Greedy)[0].TokenIds];

    private static float[] Scores(GptClassifier model, string[] texts) => [.. texts.SelectMany(text => model.Classify(text).Scores)];

    private static void Near(float[] expected, float[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5f * Math.Max(1, Math.Abs(expected[i])), $"{i}");
    }

    private static float[] Weights(IGptWeights model) => [.. GptParameterLayout.Of(model.Config).SelectMany(info => Floats(model, info.Name, info.ElementCount))];

    private static float[] Floats(IGptWeights model, string name, long count)
    {
        var values = new float[count];
        model.Read(name, values);
        return values;
    }

    private static IDataView Keyed(IEnumerable<Review> reviews)
    {
        IDataView view = Ml.Data.LoadFromEnumerable(reviews);
        return Ml.Transforms.Conversion.MapValueToKey("Key", "Label", keyOrdinality: Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(view).Transform(view);
    }

    private static IDataView Endings(int count) => Ml.Data.LoadFromEnumerable(Texts.Sentences(count).Select(static (row, i) => new Review { Text = row.Text, Label = row.Text.Contains("cat", StringComparison.Ordinal) ? "cat" : "other" }));

    /// <summary>Two texts of which the one with an animal is the better: in columns of their own, and in any order with the number of the better one; and whether two texts are of animals.</summary>
    private static IDataView Choices(int count, int seed)
    {
        List<Review> reviews = Reviews.Of(6 * count, seed);
        return Ml.Data.LoadFromEnumerable(reviews.Where(static r => r.Label == "animal").Zip(reviews.Where(static r => r.Label == "thing"), static (good, bad) => (Good: good.Text, Bad: bad.Text)).Take(count)
            .Select(static (pair, i) => new Choice { Prompt = $"then {i}", Good = pair.Good, Other = pair.Bad, Same = i % 4 < 2 ? pair.Bad : pair.Good, First = i % 2 == 0 ? pair.Good : pair.Bad, Second = i % 2 == 0 ? pair.Bad : pair.Good, Right = (uint)(i % 2), Animal = i % 4 < 2 ? 0 : 1 }));
    }

    private sealed class Choice
    {
        public string Prompt { get; set; } = "";

        public string Good { get; set; } = "";

        public string Other { get; set; } = "";

        public string Same { get; set; } = "";

        public string First { get; set; } = "";

        public string Second { get; set; } = "";

        /// <summary>From 0: ML.NET adds 1 to what stands in an object.</summary>
        [KeyType(2)]
        public uint Right { get; set; }

        public float Animal { get; set; }
    }

    private sealed class Class
    {
        public uint Key { get; set; }
    }

    private sealed class Scored
    {
        public string Text { get; set; } = "";

        public string Reply { get; set; } = "";

        public float[] Subject { get; set; } = [];

        public float Reward { get; set; }
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

[TestClass]
public sealed class SupervisedOptionsTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);

    private static readonly SupervisedTaskOptions Options = new()
    {
        Model = new GptConfig { VocabularySize = Letters.VocabularySize, ContextLength = 8, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2 },
        Tokenizer = Letters,
        Epochs = 2,
        BatchSize = 8,
        Optimizer = new() { LearningRate = 1e-3 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    [TestMethod]
    public void One_class_no_labels_and_wrong_columns_are_refused()
    {
        IDataView one = Keyed([("a", "x"), ("b", "x")]);
        Assert.Contains("2 or more classes", Assert.ThrowsExactly<InvalidLabelsException>(() => Fit(one)).Message);
        IDataView single = Ml.Data.LoadFromEnumerable([new Row { Text = "a", Label = 1 }, new Row { Text = "b", Label = 1 }, new Row { Text = "c", Label = Row.Missing }]);
        Assert.Contains("the same class", Assert.ThrowsExactly<InvalidLabelsException>(() => Fit(single)).Message);
        IDataView none = Ml.Data.LoadFromEnumerable([new Row { Text = "a", Label = Row.Missing }]);
        Assert.Contains("1 are missing", Assert.ThrowsExactly<InvalidLabelsException>(() => Fit(none)).Message);
        IDataView texts = Ml.Data.LoadFromEnumerable([new Review { Text = "a", Label = "x" }]);
        Assert.AreEqual("Label", Assert.ThrowsExactly<ColumnMismatchException>(() => Fit(texts)).ColumnName);
        Assert.AreEqual("Nowhere", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Trainers.TextClassification("Label", "Nowhere", Options).Fit(single)).ColumnName);
        Assert.AreEqual("Label", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Trainers.TextClassification("Label", "Label", Options).Fit(single)).ColumnName, "a key is no text");
        Assert.AreEqual("Label", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Trainers.SentenceSimilarity("Label", "Text", "Text", Options).Fit(single)).ColumnName, "a key is no number");
        Assert.AreEqual("Label", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Trainers.MultipleChoice("Label", "Text", ["Text", "Text", "Text"], Options).Fit(single)).ColumnName, "three answers, two keys");
    }

    [TestMethod]
    public void A_context_too_short_is_refused()
    {
        var error = Assert.ThrowsExactly<ContextTooShortException>(() => Fit(Two(), Options with { Model = Options.Model! with { ContextLength = 2 } }));
        Assert.AreEqual(3, error.Needed);
    }

    [TestMethod]
    public void Options_that_do_not_fit_together_are_refused()
    {
        foreach (SupervisedTaskOptions wrong in (SupervisedTaskOptions[])
        [
            new(),
            Options with { Tokenizer = null },
            Options with { Pretrained = "somewhere" },
            Options with { Lora = new() },
            Options with { ClassWeights = [1, -1] },
            Options with { ClassWeights = [1, 1], BalanceClasses = true },
            Options with { Epochs = 0 },
            Options with { AuxiliaryLossWeight = -0.1 },
            Options with { Evaluation = Options.Evaluation with { ValidationFraction = 1 } },
            Options with { Optimizer = Options.Optimizer with { LearningRate = double.NaN } },
            Options with { Model = Options.Model! with { VocabularySize = 3 } },
        ])
        {
            Assert.Throws<ArgumentException>(() => Ml.Gpt().Trainers.TextClassification("Label", "Text", wrong));
        }

        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => Fit(Two(), Options with { ClassWeights = [1, 1, 1] })).Message, "ClassWeights has 3 weights, and the label 2 classes; give one for each class");
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => Fit(Two(), Options with { ClassWeights = [0.5, -1] })).Message, "ClassWeights is 0.5, -1; the weights must be 0 or more and finite");
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Trainers.SentenceSimilarity("Label", "Text", "Text", Options with { BalanceClasses = true }));
        Assert.ThrowsExactly<InvalidLabelsException>(() => Fit(Two(), Options with { Evaluation = Options.Evaluation with { EarlyStoppingPatience = 1 } }));
    }

    [TestMethod]
    public void What_frozen_weights_would_leave_without_effect_is_refused_and_their_defaults_are_others()
    {
        SupervisedTaskOptions whole = new() { Pretrained = "somewhere" }, frozen = whole with { Freeze = FrozenWeights.Pretrained }, head = whole with { Freeze = FrozenWeights.AllButHead };
        foreach (SupervisedTaskOptions good in (SupervisedTaskOptions[])
        [
            frozen, head, frozen with { AuxiliaryLossWeight = 0 }, head with { Run = new() { Dropout = DropoutOptions.None } }, frozen with { Run = new() { ActivationCheckpointing = true } },
        ])
        {
            good.Validate();
        }

        foreach ((SupervisedTaskOptions wrong, string part) in ((SupervisedTaskOptions, string)[])
        [
            (frozen with { Lora = new() { Rank = 4 } }, "Freeze is Pretrained, and Lora trains an adapter of rank 4"),
            (frozen with { AuxiliaryLossWeight = 0.25 }, "Freeze is Pretrained, and AuxiliaryLossWeight is 0.25"),
            (head with { AuxiliaryLossWeight = 0.5 }, "Freeze is AllButHead, and AuxiliaryLossWeight is 0.5"),
            (head with { Run = new() { Dropout = DropoutOptions.Everywhere(0.1f) } }, "Run.Dropout is embedding 0.1, attention 0.1, residual 0.1"),
            (head with { Run = new() { ActivationCheckpointing = true } }, "Freeze is AllButHead, and Run.ActivationCheckpointing is true"),
            (Options with { Freeze = FrozenWeights.Pretrained }, "Freeze is Pretrained, and Model is a model from scratch"),
            (whole with { Freeze = (FrozenWeights)3 }, "Freeze is 3"),
        ])
        {
            Assert.Contains(part, Assert.Throws<ArgumentException>(() => Ml.Gpt().Trainers.TextClassification("Label", "Text", wrong)).Message);
        }

        // GPT-1's, and those of a head that begins at random numbers; what is set stays.
        Assert.AreEqual((0.5, 6.25e-5), (whole.AuxiliaryLossWeight, whole.Optimizer.LearningRate));
        Assert.AreEqual((0, 1e-3), (head.AuxiliaryLossWeight, head.Optimizer.LearningRate));
        Assert.AreEqual(2e-4, (head with { Optimizer = new() { LearningRate = 2e-4 } }).Optimizer.LearningRate);
        Assert.AreEqual(0.25, (whole with { AuxiliaryLossWeight = 0.25 }).AuxiliaryLossWeight);
        Assert.ThrowsExactly<ArgumentNullException>(() => whole with { Optimizer = null! });
    }

    [TestMethod]
    public void Missing_labels_empty_texts_and_cut_texts_are_counted()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "a", Label = 0 }, new Row { Text = "", Label = 1 }, new Row { Text = "c", Label = Row.Missing }, new Row { Text = "abcdefghij", Label = 0 }]);
        using SupervisedTaskTransformer trained = Fit(rows, Options with { Scoring = new() { DroppedTokenCountColumnName = "Dropped" } });
        // Eight positions hold Start, six letters, Extract: four of ten are cut.
        Assert.AreEqual(new SupervisedDataReport(4, 1, 0, 1, 1, 4), trained.Training.TrainingData);
        Assert.AreEqual("0 0 0 4", string.Join(' ', Ml.Data.CreateEnumerable<Cut>(trained.Transform(rows), reuseRowObject: false).Select(static row => row.Dropped)));
    }

    [TestMethod]
    public void A_validation_label_that_training_does_not_know_counts_as_wrong()
    {
        IDataView training = Keyed([("a", "x"), ("b", "y"), ("aa", "x"), ("bb", "y")]), validation = Keyed([("b", "y"), ("a", "z"), ("aa", "x")]);
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.TextClassification("Label", "Text", Options with { Epochs = 60, Run = Options.Run with { Dropout = DropoutOptions.None }, Optimizer = Options.Optimizer with { LearningRate = 5e-3 } }).Fit(training, validation);
        Assert.AreEqual(1, trained.Training.ValidationData!.UnseenLabels);
        // Keys of the two sets differ ("y" is 2 and 1): they are matched by what they stand for. Two of three rows are right.
        Assert.AreEqual(2.0 / 3, trained.Training.ValidationAccuracy!.Value, 1e-9);
        Assert.IsTrue(double.IsFinite(trained.Training.ValidationLoss!.Value));
    }

    [TestMethod]
    public void Early_stopping_ends_a_run_that_gets_worse_and_gives_back_the_best()
    {
        IDataView training = Keyed([("a", "x"), ("b", "y"), ("aa", "x"), ("bb", "y")]), opposite = Keyed([("a", "y"), ("b", "x")]);
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.TextClassification("Label", "Text", Options with { Epochs = 50, Run = Options.Run with { Dropout = DropoutOptions.None }, Optimizer = Options.Optimizer with { LearningRate = 5e-3 }, Evaluation = Options.Evaluation with { EarlyStoppingPatience = 3 } }).Fit(training, opposite);
        SupervisedTaskResult result = trained.Training;
        Assert.IsTrue(result.StoppedEarly);
        Assert.IsLessThan(50, result.Steps);
        Assert.AreEqual(result.BestStep + 3, result.Steps);
        Assert.AreEqual(result.History.Min(static p => p.ValidationLoss), result.ValidationLoss);
    }

    [TestMethod]
    public void Cancellation_keeps_the_model_as_far_as_it_got()
    {
        using var source = new CancellationTokenSource();
        using SupervisedTaskTransformer trained = Fit(Two(), Options with { Epochs = 1000, Run = Options.Run with { LogInterval = 1, CancellationToken = source.Token, Progress = p => { if (p.Step == 3) source.Cancel(); } } });
        Assert.IsTrue(trained.Training.Cancelled);
        Assert.AreEqual(3, trained.Training.Steps);
        Assert.AreEqual(2, trained.Model.Classify("a").Scores.Count);
    }

    [TestMethod]
    public void A_model_from_scratch_is_warned_of()
    {
        var ml = new MLContext(seed: 1);
        var warnings = new List<string>();
        ml.Log += (_, e) => warnings.Add(e.Message);
        ml.Gpt().Trainers.TextClassification("Label", "Text", Options).Fit(Two()).Dispose();
        Assert.IsTrue(warnings.Any(static line => line.Contains("from scratch", StringComparison.Ordinal)));
        Assert.IsTrue(warnings.Any(static line => line.Contains("2 rows", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void A_pretrained_model_stays_as_it_was_and_a_folder_gives_the_same_run()
    {
        using var folder = new TemporaryFolder();
        using var model = new GptModel(new TorchCausalModel(new GptNetwork(Options.Model!, GptDevice.Cpu, seed: 4)), Letters);
        model.SaveCheckpoint(folder["base"]);
        SupervisedTaskOptions pretrained = Options with { Model = null, Tokenizer = null, Pretrained = model, Run = Options.Run with { Seed = 1 } };
        double before = model.Score("abc").LogLikelihood;
        using SupervisedTaskTransformer one = Fit(Two(), pretrained), other = Fit(Two(), pretrained with { Pretrained = folder["base"] });
        Assert.AreEqual(before, model.Score("abc").LogLikelihood);
        CollectionAssert.AreEqual(one.Model.Classify("ab").Scores.ToArray(), other.Model.Classify("ab").Scores.ToArray());
        using SupervisedTaskTransformer unlike = Fit(Two(), pretrained with { Run = pretrained.Run with { Seed = 2 } });
        CollectionAssert.AreNotEqual(one.Model.Classify("ab").Scores.ToArray(), unlike.Model.Classify("ab").Scores.ToArray());
    }

    [TestMethod]
    public void LoRA_trains_the_adapter_the_head_and_the_new_tokens_alone_and_is_merged()
    {
        using var model = new GptModel(new TorchCausalModel(new GptNetwork(Options.Model!, GptDevice.Cpu, seed: 4)), Letters);
        using SupervisedTaskTransformer trained = Fit(Two(), Options with { Model = null, Tokenizer = null, Pretrained = model, Lora = new() { Rank = 2 }, Epochs = 20, Optimizer = Options.Optimizer with { LearningRate = 1e-2 } });
        // A (2, 16) and B (48, 2) of one layer's attention; 3 new tokens and 2 classes of 16, 2 biases: 32 + 96 + 48 + 32 + 2.
        Assert.AreEqual(210, trained.Training.TrainedParameters);
        using var folder = new TemporaryFolder();
        trained.Model.ExportOnnx(folder["onnx"]);
        using GptClassifier onnx = GptClassifier.FromOnnx(folder["onnx"], GptDevice.Cpu);
        for (int i = 0; i < 2; i++) Assert.AreEqual(trained.Model.Classify("ab").Scores[i], onnx.Classify("ab").Scores[i], 1e-5f);
    }

    [TestMethod]
    public void A_package_of_another_kind_is_refused_with_a_word_for_the_right_class()
    {
        using var folder = new TemporaryFolder();
        using var model = new GptModel(new TorchCausalModel(new GptNetwork(Options.Model!, GptDevice.Cpu)), Letters);
        model.ExportOnnx(folder["lm"]);
        Assert.Contains("GptModel", Assert.ThrowsExactly<CorruptFileException>(() => GptClassifier.FromOnnx(folder["lm"], GptDevice.Cpu)).Message);
        using SupervisedTaskTransformer trained = Fit(Two());
        trained.Model.ExportOnnx(folder["classifier"]);
        Assert.ThrowsExactly<CorruptFileException>(() => GptModel.FromOnnx(folder["classifier"], GptDevice.Cpu));
    }

    [TestMethod]
    public void Class_weights_move_the_scores_towards_the_heavier_class()
    {
        // The same text in both classes: the best probability of a class is its share of the weights, 1/4 and 3/4.
        IDataView rows = Keyed([("a", "x"), ("a", "y"), ("a", "x"), ("a", "y")]);
        using SupervisedTaskTransformer trained = Fit(rows, Options with { Epochs = 150, Run = Options.Run with { Dropout = DropoutOptions.None }, ClassifierDropout = 0, AuxiliaryLossWeight = 0, ClassWeights = [1, 3], Optimizer = Options.Optimizer with { LearningRate = 1e-2 } });
        Assert.AreEqual(0.75f, trained.Model.Classify("a").Scores[1], 0.02f);
    }

    private static SupervisedTaskTransformer Fit(IDataView rows, SupervisedTaskOptions? options = null) => Ml.Gpt().Trainers.TextClassification("Label", "Text", options ?? Options).Fit(rows);

    private static IDataView Two() => Keyed([("a", "x"), ("b", "y")]);

    private static IDataView Keyed(IEnumerable<(string Text, string Label)> rows)
    {
        IDataView view = Ml.Data.LoadFromEnumerable(rows.Select(static row => new Review { Text = row.Text, Label = row.Label }));
        return Ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        /// <summary>From 0: ML.NET adds 1 to what stands in an object, and takes what is past the last key for missing.</summary>
        [KeyType(2)]
        public uint Label { get; set; }

        public const uint Missing = 2;
    }

    private sealed class Cut
    {
        public int Dropped { get; set; }
    }
}

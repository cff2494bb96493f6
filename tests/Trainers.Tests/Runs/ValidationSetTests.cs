using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>How much of a validation set the trainers measure, and what they say of one that is missing, empty, too short or of no use.</summary>
[TestClass]
public sealed class ValidationSetTests
{
    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>The trainers, what their rows are called, and the type of what they throw.</summary>
    public static IEnumerable<object[]> Kinds =>
    [
        ["pretraining", "documents", typeof(EmptyCorpusException)], ["fine-tuning", "examples", typeof(TrainingExampleException)], ["task", "labelled rows", typeof(InvalidLabelsException)], ["regression", "labelled rows", typeof(InvalidLabelsException)],
        ["reward", "prompts", typeof(PreferenceDataException)], ["preference", "prompts", typeof(PreferenceDataException)], ["policy", "prompts", typeof(TrainingExampleException)],
    ];

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Early_stopping_and_ReturnBest_are_refused_where_nothing_is_held_out(string kind, string items, Type type)
    {
        _ = items;
        Refuses(type, "Evaluation.EarlyStoppingPatience is 2, which needs a validation set, and nothing is held out. Give Fit a validation set, or set Evaluation.ValidationFraction.", () => Fit(kind, new() { ValidationFraction = 0, EarlyStoppingPatience = 2 }, Rows(6)));
        Refuses(type, "Evaluation.ReturnBest is true, which needs a validation set, and nothing is held out.", () => Fit(kind, new() { ValidationFraction = 0, ReturnBest = true }, Rows(6)));
        Fit(kind, new() { ValidationFraction = 0, ReturnBest = false }, Rows(6));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Early_stopping_and_ReturnBest_are_refused_where_the_fraction_rounds_to_nothing(string kind, string items, Type type)
    {
        if (kind == "pretraining") return;   // whatever the fraction, the nearest document is held out
        foreach (EvaluationOptions evaluation in (EvaluationOptions[])[new() { ValidationFraction = 0.05, EarlyStoppingPatience = 2 }, new() { ValidationFraction = 0.05, ReturnBest = true }])
            Refuses(type, $"an Evaluation.ValidationFraction of 0.05 of 6 {items} holds out none{(kind == "task" ? " (the share of each class is rounded)" : "")}. Raise it, give more {items}, or give Fit a validation set.", () => Fit(kind, evaluation, Rows(6)));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void An_empty_validation_set_is_told_of_it_and_not_of_the_training_set(string kind, string items, Type type)
    {
        bool task = type == typeof(InvalidLabelsException);
        string message = kind == "pretraining" ? "The validation set can't be used. The corpus has no documents." : task ? $"there are no {items} in the one that Fit was given. Give it {items}." : "The validation set: there";
        Refuses(type, message, () => Fit(kind, new() { EarlyStoppingPatience = task ? 1 : 0 }, Rows(6), []));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void The_first_MaxRows_rows_are_measured_as_if_there_were_no_others(string kind, string items, Type type)
    {
        _ = (items, type);

        // 12 documents of 7 tokens give 5 rows of 16 and the tokens behind them, the first 5 documents 2.
        int first = kind == "pretraining" ? 5 : 4;
        var losses = new List<double?>();
        foreach ((int? rows, int count) in ((int?, int)[])[(null, first), (kind == "pretraining" ? 2 : 4, 12), (null, 12)])
        {
            double? loss = null;
            Fit(kind, new() { MaxRows = rows, ReturnBest = false }, Rows(6), Rows(12), count, p => loss = p.ValidationLoss ?? loss);
            losses.Add(loss);
        }

        Assert.AreEqual(losses[0]!.Value, losses[1]!.Value, 1e-6);
        Assert.AreNotEqual(losses[0]!.Value, losses[2]!.Value, 1e-6);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void An_evaluation_in_the_middle_of_training_is_made_without_dropout(string kind, string items, Type type)
    {
        _ = (items, type);

        // A rate that changes no weight: with dropout in training the loss is the same as without.
        var losses = new List<double?>();
        foreach (DropoutOptions dropout in (DropoutOptions[])[DropoutOptions.None, DropoutOptions.Everywhere(0.5f)])
        {
            double? loss = null;
            Fit(kind, new() { ReturnBest = false }, Rows(6), Rows(6), progress: p => loss = p.ValidationLoss ?? loss, optimizer: new() { LearningRate = 1e-30, WarmupSteps = 0, WeightDecay = 0 }, dropout: dropout);
            losses.Add(loss);
        }

        Assert.AreEqual(losses[0]!.Value, losses[1]!.Value, 1e-9);
    }

    [TestMethod]
    public void A_row_of_a_validation_set_is_told_of_it()
    {
        TrainingRow[] rows = [.. Rows(6)];
        rows[2].Completion = "";
        Refuses(typeof(TrainingExampleException), "Row 2 of the validation set: the completion in column 'Completion' is empty.", () => Fit("fine-tuning", new(), Rows(6), rows));
        Refuses(typeof(TrainingExampleException), "Row 2: the completion in column 'Completion' is empty.", () => Fit("fine-tuning", new(), rows, Rows(6)));
        rows[2].Completion = rows[2].Other;
        foreach (string kind in (string[])["reward", "preference"])
        {
            Refuses(typeof(PreferenceDataException), "Row 2 of the validation set: the chosen and the rejected response are the same.", () => Fit(kind, new(), Rows(6), rows));
            Refuses(typeof(PreferenceDataException), "Row 2: the chosen and the rejected response are the same.", () => Fit(kind, new(), rows, Rows(6)));
        }
    }

    [TestMethod]
    public void Text_that_is_too_short_for_a_row_is_told_of_its_set_with_what_to_raise()
    {
        // A document has 6 tokens and its end; a row of context length 16 needs 17.
        Refuses(typeof(EmptyCorpusException), "The validation set gives 7 tokens; one row of context length 16 needs 17. Give it more text.", () => Fit("pretraining", new(), Rows(6), Rows(1)));
        Refuses(typeof(EmptyCorpusException), "The validation set, an Evaluation.ValidationFraction of 1E-09 of 6 documents, gives 7 tokens; one row of context length 16 needs 17. Raise it or set it to 0 for no validation, add text, or give Fit a validation set.",
            () => Fit("pretraining", new() { ValidationFraction = 1e-9 }, Rows(6)));
        Refuses(typeof(EmptyCorpusException), "The training set gives 7 tokens; one row of context length 16 needs 17. Add text, or lower the context length to 6 or less.", () => Fit("pretraining", new(), Rows(1), Rows(6)));
    }

    [TestMethod]
    public void A_classification_is_told_before_training_that_no_validation_row_has_a_label_it_knows()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Rows(6)), others = Ml.Data.LoadFromEnumerable(Rows(6).Select(static row => new TrainingRow { Text = row.Text, Label = row.Label + "s" }));
        using GptModel pretrained = new(new TorchCausalModel(new GptNetwork(EveryTrainer.Shape, GptDevice.Cpu, seed: 3)), EveryTrainer.Letters);
        IDataView Keyed(IDataView view) => Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(view).Transform(view);
        SupervisedTaskTrainer Trainer(Func<SupervisedTaskOptions, SupervisedTaskOptions>? change = null)
        {
            var options = new SupervisedTaskOptions { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Run = EveryTrainer.Run };
            return Ml.Gpt().Trainers.TextClassification("Key", "Text", change is null ? options : change(options));
        }

        Refuses(typeof(InvalidLabelsException), "none of the 6 validation rows has a label that the training set knows", () => Trainer().Fit(Keyed(rows), Keyed(others)));

        // One key for both sets, and no row of the validation set's classes in the training set: balanced, they weigh 0.
        ITransformer keys = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(Ml.Data.LoadFromEnumerable(Rows(6).Concat(Rows(6).Select(static row => new TrainingRow { Text = row.Text, Label = row.Label + "s" }))));
        Refuses(typeof(InvalidLabelsException), "all 6 validation rows are of classes whose weight is 0, having no training row,", () => Trainer(static o => o with { BalanceClasses = true }).Fit(keys.Transform(rows), keys.Transform(others)));
        Trainer().Fit(keys.Transform(rows), keys.Transform(others)).Dispose();
        Trainer(static o => o with { Evaluation = new() { Interval = 0 } }).Fit(Keyed(rows), Keyed(others)).Dispose();
    }

    private static void Refuses(Type type, string message, Action fit)
    {
        var error = Assert.Throws<GptException>(fit);
        Assert.AreEqual(type, error.GetType());
        StringAssert.Contains(error.Message, message);
    }

    private static void Fit(string kind, EvaluationOptions evaluation, IEnumerable<TrainingRow> training, IEnumerable<TrainingRow>? validation = null, int? count = null, Action<TrainingProgress>? progress = null, AdamWOptions? optimizer = null, DropoutOptions? dropout = null)
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(training);
        IDataView? others = validation is null ? null : Ml.Data.LoadFromEnumerable(validation.Take(count ?? int.MaxValue));
        RunOptions run = EveryTrainer.Run with { LogInterval = 100, Progress = progress, Dropout = dropout ?? EveryTrainer.Run.Dropout };
        TaskOptimizerOptions task = optimizer is null ? new() : new() { LearningRate = optimizer.LearningRate, WeightDecay = optimizer.WeightDecay };
        using GptModel pretrained = new(new TorchCausalModel(new GptNetwork(EveryTrainer.Shape, GptDevice.Cpu, seed: 3)), EveryTrainer.Letters);
        GptTrainersCatalog trainers = Ml.Gpt().Trainers;
        switch (kind)
        {
            case "pretraining":
                trainers.LanguageModel("Text", new() { Model = EveryTrainer.Shape, Tokenizer = EveryTrainer.Letters, MaxSteps = 2, BatchSize = 2, Optimizer = optimizer ?? new(), Evaluation = evaluation, Run = run }).Fit(rows, others).Dispose();
                break;
            case "fine-tuning":
                trainers.SupervisedFineTuning("Written", "Text", "Completion", new() { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Optimizer = optimizer, Evaluation = evaluation, Run = run }).Fit(rows, others).Dispose();
                break;
            case "reward":
                trainers.RewardModelFromPairs("Text", "Completion", "Other", new() { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Optimizer = optimizer, Evaluation = evaluation, Run = run }).Fit(rows, others).Dispose();
                break;
            case "preference":
                trainers.DirectPreference("Written", "Text", "Completion", "Other", new() { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Optimizer = optimizer, Evaluation = evaluation, Run = run }).Fit(rows, others).Dispose();
                break;
            case "policy":
                trainers.PolicyOptimization("Text", new()
                {
                    Pretrained = pretrained, Algorithm = PolicyAlgorithm.Rloo, BatchSize = 4, Episodes = 8, Rollout = new() { Minibatches = 1, MaxNewTokens = 4 },
                    Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Sum(static c => (double)(c % 7)))] }, Optimizer = optimizer, Evaluation = evaluation, Run = run,
                }).Fit(rows, others).Dispose();
                break;
            case "regression":
                trainers.SentenceSimilarity("Likeness", "Text", "Completion", new SupervisedTaskOptions { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Optimizer = task, Evaluation = evaluation, Run = run }).Fit(rows, others).Dispose();
                break;
            default:
                ITransformer keys = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows);
                trainers.TextClassification("Key", "Text", new SupervisedTaskOptions { Pretrained = pretrained, Epochs = 1, BatchSize = 4, Optimizer = task, Evaluation = evaluation, Run = run }).Fit(keys.Transform(rows), others is null ? null : keys.Transform(others)).Dispose();
                break;
        }
    }

    [TestMethod]
    [DataRow(1, 0.5)]
    [DataRow(2, 0.5)]
    [DataRow(37, 0.3)]
    [DataRow(1000, 0.999)]
    public void Rows_are_drawn_one_after_the_other_out_of_those_that_are_left(int count, double fraction)
    {
        List<int> all = [.. Enumerable.Range(0, count)], expected = [.. all], drawn = [];
        var random = new Random(5);
        while (drawn.Count < Math.Min((int)Math.Round(count * fraction), count - 1))
        {
            int next = expected[random.Next(expected.Count)];
            drawn.Add(next);
            expected.Remove(next);
        }

        CollectionAssert.AreEqual(drawn, HeldOut.Draw(all, fraction, seed: 5));
        CollectionAssert.AreEqual(expected, all);
    }

    private static IEnumerable<TrainingRow> Rows(int count) => Enumerable.Range(0, count).Select(static i => new TrainingRow { Text = $"{(char)('a' + (i % 10))}bcd {(char)('j' - (i % 10))}", Completion = "ab", Other = "ba", Label = i % 2 == 0 ? "even" : "odd", Likeness = i / 6f });
}

using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

[TestClass]
public sealed class TextClassificationTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly TemporaryFolder Folder = new();
    private static readonly List<TrainingProgress> Reports = [];
    private static GptTokenizer tokenizer = null!;
    private static SupervisedTaskOptions options = null!;
    private static IDataView training = null!, test = null!;
    private static TransformerChain<KeyToValueMappingTransformer> fitted = null!;
    private static SupervisedTaskTransformer trained = null!;

    [ClassInitialize]
    public static void TrainOnce(TestContext context)
    {
        tokenizer = GptTokenizer.TrainBytePairEncoding(Reviews.Of(300).Select(static r => r.Text), new() { VocabularySize = 400 });
        options = new SupervisedTaskOptions
        {
            Model = new GptConfig { VocabularySize = tokenizer.VocabularySize, ContextLength = 40, EmbeddingSize = 48, LayerCount = 2, HeadCount = 4 },
            Tokenizer = tokenizer,
            Epochs = 6,
            Optimizer = new() { LearningRate = 3e-3 },
            Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
        };
        training = Ml.Data.LoadFromEnumerable(Reviews.Of(300));
        test = Ml.Data.LoadFromEnumerable(Reviews.Of(200, seed: 2));
        fitted = Pipeline(options with { Evaluation = options.Evaluation with { ValidationFraction = 0.1 }, Run = options.Run with { Folder = Folder["run"], Progress = Reports.Add } }).Fit(training);
        trained = fitted.OfType<SupervisedTaskTransformer>().Single();
    }

    [ClassCleanup]
    public static void Clean()
    {
        trained.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void A_small_task_is_learnt_and_MLNET_evaluates_it()
    {
        MulticlassClassificationMetrics metrics = Ml.MulticlassClassification.Evaluate(fitted.Transform(test), labelColumnName: "Key", topKPredictionCount: 2);
        Assert.IsGreaterThan(0.95, metrics.MicroAccuracy);
        Assert.IsLessThan(0.3, metrics.LogLoss);
        Assert.IsGreaterThanOrEqualTo(metrics.MicroAccuracy, metrics.TopKAccuracy);
        Assert.AreEqual(3, metrics.ConfusionMatrix.NumberOfClasses);
    }

    [TestMethod]
    public void The_columns_are_those_of_MLNETs_own_trainers()
    {
        DataViewSchema schema = fitted.Transform(test).Schema;
        string[] labels = [.. KeyValues(schema["Key"])];
        DataViewSchema.Column score = schema["Score"], predicted = schema["PredictedLabel"];
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), score.Type);
        VBuffer<ReadOnlyMemory<char>> slots = default;
        score.Annotations.GetValue("SlotNames", ref slots);
        CollectionAssert.AreEqual(labels, slots.DenseValues().Select(static s => s.ToString()).ToArray());
        CollectionAssert.AreEqual(labels, KeyValues(predicted));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), predicted.Type);
        foreach ((DataViewSchema.Column column, string value) in ((DataViewSchema.Column, string)[])[(score, "Score"), (predicted, "PredictedLabel")])
        {
            ReadOnlyMemory<char> text = default;
            column.Annotations.GetValue("ScoreColumnKind", ref text);
            Assert.AreEqual("MulticlassClassification", text.ToString());
            column.Annotations.GetValue("ScoreValueKind", ref text);
            Assert.AreEqual(value, text.ToString());
        }

        foreach (Prediction row in Ml.Data.CreateEnumerable<Prediction>(fitted.Transform(test), reuseRowObject: false))
        {
            Assert.AreEqual(1, row.Score.Sum(), 1e-5f);
            Assert.AreEqual(labels[Array.IndexOf(row.Score, row.Score.Max())], row.Predicted);
        }
    }

    [TestMethod]
    public void The_estimator_announces_what_its_transformer_adds()
    {
        // MapKeyToValue in the chain has checked that the announced PredictedLabel is a key with KeyValues.
        Assert.IsTrue(fitted.GetOutputSchema(training.Schema).Any(static column => column.Name == "Predicted"));
        var withoutScores = Pipeline(options with { Scoring = new() { PredictedLabelColumnName = "PredictedLabel", DroppedTokenCountColumnName = "Dropped" } });
        Assert.IsNotNull(withoutScores);
    }

    [TestMethod]
    public void A_prediction_engine_gives_the_rows_of_the_view()
    {
        using PredictionEngine<Review, Prediction> engine = Ml.Model.CreatePredictionEngine<Review, Prediction>(Loaded("engine.zip"));
        Prediction[] rows = [.. Ml.Data.CreateEnumerable<Prediction>(fitted.Transform(test), reuseRowObject: false)];
        List<Review> texts = Reviews.Of(200, seed: 2);
        for (int i = 0; i < 20; i++)
        {
            Prediction one = engine.Predict(texts[i]);
            Assert.AreEqual(rows[i].Predicted, one.Predicted);
            for (int k = 0; k < 3; k++) Assert.AreEqual(rows[i].Score[k], one.Score[k], 1e-5f);
        }
    }

    [TestMethod]
    public void ORT_and_TorchSharp_give_the_same_probabilities_for_a_thousand_texts_in_a_pipeline()
    {
        trained.Model.ExportOnnx(Folder["onnx"]);
        using GptClassifier deployed = GptClassifier.FromOnnx(Folder["onnx"], GptDevice.Cpu);
        Assert.AreEqual(trained.Model.Config, deployed.Config);
        IDataView texts = Ml.Data.LoadFromEnumerable(Reviews.Of(1_000, seed: 3));
        float[][] torch = Scores(trained.Transform(fitted.First().Transform(texts)));
        float[][] onnx = Scores(Ml.Gpt().Transforms.ClassifyText("Score", "Text", deployed).Fit(texts).Transform(texts));
        Assert.HasCount(1_000, onnx);
        float worst = 0;
        for (int i = 0; i < torch.Length; i++)
            for (int k = 0; k < 3; k++) worst = Math.Max(worst, Math.Abs(torch[i][k] - onnx[i][k]));
        Assert.IsLessThan(1e-4f, worst);
    }

    [TestMethod]
    public void A_saved_chain_loads_over_ONNX_and_predicts_the_same()
    {
        ITransformer loaded = Loaded("chain.zip");
        ClassifyTextTransformer scoring = ((IEnumerable<ITransformer>)loaded).OfType<ClassifyTextTransformer>().Single();
        Assert.IsInstanceOfType<OnnxTextClassifier>(scoring.Model.Engine);
        Prediction[] before = [.. Ml.Data.CreateEnumerable<Prediction>(fitted.Transform(test), reuseRowObject: false)];
        Prediction[] after = [.. Ml.Data.CreateEnumerable<Prediction>(loaded.Transform(test), reuseRowObject: false)];
        CollectionAssert.AreEqual(before.Select(static r => r.Predicted).ToArray(), after.Select(static r => r.Predicted).ToArray());
        for (int i = 0; i < before.Length; i++)
            for (int k = 0; k < 3; k++) Assert.AreEqual(before[i].Score[k], after[i].Score[k], 1e-4f);
        CollectionAssert.AreEqual(KeyValues(fitted.Transform(test).Schema["PredictedLabel"]), KeyValues(loaded.Transform(test).Schema["PredictedLabel"]));
        ((IDisposable)loaded).Dispose();
    }

    [TestMethod]
    public void Cross_validation_trains_and_evaluates_each_fold()
    {
        var small = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Append(Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Epochs = 5, BatchSize = 8 }));
        var results = Ml.MulticlassClassification.CrossValidate(training, small, numberOfFolds: 2, labelColumnName: "Key");
        Assert.HasCount(2, results);
        foreach (var fold in results) Assert.IsGreaterThan(0.4, fold.Metrics.MicroAccuracy, "a guess has 1/3");
    }

    [TestMethod]
    public void A_run_leaves_its_reports_its_pictures_and_the_model()
    {
        foreach (string file in (string[])["metrics.jsonl", "loss.svg", "confusion.svg", "model/model.onnx", "model/config.json", "model/tokenizer.json"])
            Assert.IsTrue(File.Exists(Path.Combine(Folder["run"], file)), file);
        SupervisedTaskResult result = trained.Training;
        Assert.AreEqual(6 * 9, result.Steps, "270 examples, 32 a batch, 6 epochs");
        Assert.IsGreaterThan(0.8, result.ValidationAccuracy!.Value);
        Assert.HasCount(6, result.History.Where(static p => p.ValidationLoss is not null));
        Assert.HasCount(result.History.Count, Reports);
        Assert.AreEqual(result.History.Where(static p => p.ValidationLoss is not null).Min(static p => p.ValidationLoss), result.ValidationLoss);
        Assert.AreEqual(result.TotalParameters, result.TrainedParameters);
        Assert.ThrowsExactly<RunExistsException>(() => Pipeline(options with { Run = options.Run with { Folder = Folder["run"] } }).Fit(training));
        using GptClassifier model = GptClassifier.FromOnnx(Path.Combine(Folder["run"], "model"), GptDevice.Cpu);
        CollectionAssert.AreEquivalent(Reviews.Labels, model.Head.Labels.ToArray());
    }

    [TestMethod]
    public void A_seed_gives_the_same_model()
    {
        IDataView few = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(training).Transform(Ml.Data.TakeRows(training, 64));
        CollectionAssert.AreEqual(Weights(5), Weights(5));
        CollectionAssert.AreNotEqual(Weights(5), Weights(6));

        float[] Weights(int seed)
        {
            using SupervisedTaskTransformer one = Ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Epochs = 1, Run = options.Run with { Seed = seed } }).Fit(few);
            return [.. one.Model.Classify("the cat sees the river").Scores];
        }
    }

    private static IEstimator<TransformerChain<KeyToValueMappingTransformer>> Pipeline(SupervisedTaskOptions how) => Ml.Transforms.Conversion.MapValueToKey("Key", "Label")
        .Append(Ml.Gpt().Trainers.TextClassification("Key", "Text", how))
        .Append(Ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));

    private static ITransformer Loaded(string name)
    {
        Ml.Model.Save(fitted, training.Schema, Folder[name]);
        return new MLContext().Model.Load(Folder[name], out _);
    }

    private static float[][] Scores(IDataView view) => [.. Ml.Data.CreateEnumerable<Scored>(view, reuseRowObject: false).Select(static row => row.Score)];

    private static string[] KeyValues(DataViewSchema.Column column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.Annotations.GetValue("KeyValues", ref values);
        return [.. values.DenseValues().Select(static value => value.ToString())];
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];

        public string Predicted { get; set; } = "";
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}

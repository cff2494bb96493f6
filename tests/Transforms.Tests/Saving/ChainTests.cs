using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Saving;

/// <summary>Every transformer in one chain with ML.NET's own, which a trainer of ML.NET's stands behind: fitted, evaluated, saved, loaded, asked row by row.</summary>
[TestClass]
public sealed class ChainTests
{
    [TestMethod]
    public void Every_transformer_goes_with_ML_NETs_own_before_it_and_behind_it()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        using GptClassifier classifier = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        using GptRewardModel reward = GptRewardModel.FromOnnx(TestModels.WriteReward(folder), GptDevice.Cpu);
        var ml = new MLContext(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable(Rows());
        GptTransformsCatalog gpt = ml.Gpt().Transforms;
        var generation = new GenerateTextOptions { MaxNewTokens = 5, Temperature = 0.9f, Seed = 3, BatchSize = 4, FinishReasonColumnName = "Reason", TokenCountColumnName = "Count", LogProbabilitiesColumnName = "Logs" };
        var chain = ml.Transforms.CopyColumns("Prompt", "Text")
            .Append(ml.Transforms.Text.NormalizeText("Prompt", "Prompt"))
            .Append(ml.Transforms.Text.FeaturizeText("Bag", "Prompt"))
            .Append(gpt.TokenizeText("Tokens", "Prompt", model.Tokenizer))
            .Append(gpt.BuildPrompt("Asked", new() { Template = "so {Prompt}" }))
            .Append(gpt.GenerateText("Reply", "Asked", model, generation))
            .Append(ml.Transforms.Text.FeaturizeText("ReplyBag", "Reply"))
            .Append(gpt.ScoreText("LogLikelihood", "Reply", model, new ScoreTextOptions { TokenCountColumnName = "Scored" }))
            .Append(gpt.EmbedText("Vector", "Prompt", model))
            .Append(gpt.ChunkText("Chunks", "Prompt", model.Tokenizer, new() { MaxTokens = 4, OverlapTokens = 1 }))
            .Append(gpt.RetrieveText("Passages", "Prompt", model, ["abc.", "zz top.", "hello."], new() { Top = 2, Separator = " " }))
            .Append(gpt.ScoreChoices("Choice", "Prompt", model, new ScoreChoicesOptions { Choices = ["x", "yes", "no no"], Separator = "", ScoreColumnName = "ChoiceScores" }))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Choice"))
            .Append(gpt.ClassifyText("ClassScores", "Reply", classifier, new() { PredictedLabelColumnName = "Class" }))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Word", "Class"))
            .Append(gpt.ScoreResponse("Reward", "Prompt", "Reply", reward))
            .Append(gpt.GenerateBestOfN("Best", "Prompt", model, reward, new BestOfNOptions { Samples = 3, Generation = new() { MaxNewTokens = 4 }, ScoreColumnName = "Score.best" }))
            .Append(ml.Transforms.Concatenate("Features", "Bag", "ReplyBag", "Vector", "Reward", "LogLikelihood", "ClassScores", "ChoiceScores", "Score.best"))
            .Append(ml.Transforms.NormalizeMinMax("Features"))
            .Append(ml.Transforms.Conversion.MapValueToKey("Label", "Colour"))
            .AppendCacheCheckpoint(ml)
            .Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        ITransformer fitted = chain.Fit(data);
        IDataView transformed = fitted.Transform(data);
        MulticlassClassificationMetrics expectedMetrics = ml.MulticlassClassification.Evaluate(transformed);
        Assert.IsGreaterThan(0.5, expectedMetrics.MicroAccuracy);
        string[] expected = Read(transformed);
        Assert.IsGreaterThan(10, expected.Distinct().Count());

        // 1. Through ML.NET's own views: cached, shuffled and sorted out again, filtered, written into a file and read back.
        CollectionAssert.AreEqual(expected, Read(ml.Data.Cache(transformed)));
        CollectionAssert.AreEquivalent(expected, Read(ml.Data.ShuffleRows(transformed, seed: 5)));
        CollectionAssert.AreEqual(expected[3..7], Read(ml.Data.TakeRows(ml.Data.SkipRows(transformed, 3), 4)));
        using (FileStream file = File.Create(folder["rows.idv"])) ml.Data.SaveAsBinary(ml.Transforms.DropColumns("Tokens", "Logs").Fit(transformed).Transform(transformed), file);
        CollectionAssert.AreEqual(expected, Read(ml.Data.LoadFromBinary(folder["rows.idv"])));

        // 2. Saved and loaded, by a context that knows nothing of it, and once more.
        ml.Model.Save(fitted, data.Schema, folder["chain.zip"]);
        var other = new MLContext();
        ITransformer loaded = other.Model.Load(folder["chain.zip"], out DataViewSchema schema);
        using (loaded as IDisposable)
        {
            CollectionAssert.AreEqual(expected, Read(loaded.Transform(data)));
            Assert.AreEqual(expectedMetrics.LogLoss, other.MulticlassClassification.Evaluate(loaded.Transform(data)).LogLoss, 1e-4);
            other.Model.Save(loaded, schema, folder["again.zip"]);
            using (PredictionEngine<Row, Found> engine = other.Model.CreatePredictionEngine<Row, Found>(loaded, new PredictionEngineOptions { OwnsTransformer = false }))
            {
                Row[] rows = Rows();
                for (int i = 0; i < rows.Length; i++) Assert.AreEqual(expected[i], engine.Predict(rows[i]).ToString(), $"row {i}");
            }

            // 3. What is fitted behind it takes its columns for features and labels.
            ITransformer clusters = other.Clustering.Trainers.KMeans("Vector", numberOfClusters: 2).Fit(loaded.Transform(data));
            Assert.IsTrue(clusters.Transform(loaded.Transform(data)).GetColumn<uint>("PredictedLabel").All(static cluster => cluster is 1 or 2));
        }

        ITransformer again = new MLContext().Model.Load(folder["again.zip"], out _);
        using (again as IDisposable) CollectionAssert.AreEqual(expected, Read(again.Transform(data)));
    }

    private static Row[] Rows() => [.. Enumerable.Range(0, 16).Select(static i => new Row { Text = new string([.. Enumerable.Range(0, 2 + (i % 5)).Select(t => (char)('a' + ((i * (t + 3)) % 26)))]), Colour = i % 2 == 0 ? "red" : "blue" })];

    private static string[] Read(IDataView view) => [.. new MLContext().Data.CreateEnumerable<Found>(view, reuseRowObject: false).Select(static row => row.ToString())];

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Colour { get; set; } = "";
    }

    private sealed class Found
    {
        public string Reply { get; set; } = "";

        public string Reason { get; set; } = "";

        public string Asked { get; set; } = "";

        public string Passages { get; set; } = "";

        public string Choice { get; set; } = "";

        public string Word { get; set; } = "";

        public string Best { get; set; } = "";

        public string PredictedLabel { get; set; } = "";

        public float LogLikelihood { get; set; }

        public float Reward { get; set; }

        [ColumnName("Score.best")]
        public float BestScore { get; set; }

        // Batches of other sizes differ in the last bits of the numbers.
        public override string ToString() => FormattableString.Invariant($"{Reply}|{Reason}|{Asked}|{Passages}|{Choice}|{Word}|{Best}|{PredictedLabel}|{LogLikelihood:F3}|{Reward:F3}|{BestScore:F3}");
    }
}

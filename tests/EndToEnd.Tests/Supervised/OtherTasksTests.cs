using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

[TestClass]
public sealed class OtherTasksTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);

    private static readonly SupervisedTaskOptions Options = new()
    {
        Model = new GptConfig { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2, InitializerRange = 0.1f },
        Tokenizer = Letters,
        Epochs = 40,
        BatchSize = 16,
        ClassifierDropout = 0,
        Optimizer = new() { LearningRate = 3e-3 },
        Run = new() { Dropout = DropoutOptions.None, Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    [TestMethod]
    public void Entailment_learns_whether_the_second_text_begins_as_the_first_does()
    {
        IDataView rows = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(Data(Pairs())).Transform(Data(Pairs()));
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.TextEntailment("Key", "First", "Second", Options).Fit(rows);
        Assert.IsGreaterThan(0.9, Ml.MulticlassClassification.Evaluate(trained.Transform(rows), labelColumnName: "Key").MicroAccuracy);
        BothEngines(trained, rows, ["First", "Second"]);
    }

    [TestMethod]
    public void Similarity_learns_a_number_and_is_symmetric_in_both_engines()
    {
        IDataView rows = Data(Pairs());
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.SentenceSimilarity("Likeness", "First", "Second", Options).Fit(rows);
        Assert.IsLessThan(0.1, Ml.Regression.Evaluate(trained.Transform(rows), labelColumnName: "Likeness").MeanSquaredError, "the variance of the labels is 0.25");
        using var folder = new TemporaryFolder();
        trained.Model.ExportOnnx(folder["onnx"]);
        using GptClassifier onnx = GptClassifier.FromOnnx(folder["onnx"], GptDevice.Cpu);
        foreach (GptClassifier model in (GptClassifier[])[trained.Model, onnx])
        {
            foreach (Pair pair in Pairs().Take(30))
                Assert.AreEqual(model.Classify(pair.First, pair.Second).Scores[0], model.Classify(pair.Second, pair.First).Scores[0], 1e-6f, model.Engine.GetType().Name);
        }

        foreach (Pair pair in Pairs().Take(30)) Assert.AreEqual(trained.Model.Classify(pair.First, pair.Second).Scores[0], onnx.Classify(pair.First, pair.Second).Scores[0], 1e-4f);
        string kind = "";
        ReadOnlyMemory<char> text = default;
        trained.GetOutputSchema(rows.Schema)["Score"].Annotations.GetValue("ScoreColumnKind", ref text);
        kind = text.ToString();
        Assert.AreEqual("Regression", kind);
        Assert.IsNull(trained.GetOutputSchema(rows.Schema).GetColumnOrNull("PredictedLabel"));
    }

    [TestMethod]
    public void Similarity_learns_classes_too()
    {
        IDataView rows = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(Data(Pairs())).Transform(Data(Pairs()));
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.SentenceSimilarity("Key", "First", "Second", Options, classes: true).Fit(rows);
        Assert.IsGreaterThan(0.85, Ml.MulticlassClassification.Evaluate(trained.Transform(rows), labelColumnName: "Key").MicroAccuracy);
        BothEngines(trained, rows, ["First", "Second"]);
    }

    [TestMethod]
    public void Multiple_choice_learns_which_answer_continues_the_context()
    {
        List<Choice> choices = [.. Pairs().Select(static (pair, i) =>
        {
            string right = $"{pair.First[0]}j", wrong = $"{(char)('a' + ((pair.First[0] - 'a' + 1 + (i % 2)) % 3))}j";
            return i % 2 == 0 ? new Choice { Context = pair.First, A = right, B = wrong, Label = 0 } : new Choice { Context = pair.First, A = wrong, B = right, Label = 1 };
        })];
        IDataView rows = Ml.Data.LoadFromEnumerable(choices);
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.MultipleChoice("Label", "Context", ["A", "B"], Options).Fit(rows);
        Assert.IsGreaterThan(0.9, Ml.MulticlassClassification.Evaluate(trained.Transform(rows)).MicroAccuracy);
        BothEngines(trained, rows, ["Context", "A", "B"]);
        DataViewSchema.Column predicted = trained.GetOutputSchema(rows.Schema)["PredictedLabel"];
        VBuffer<ReadOnlyMemory<char>> values = default;
        predicted.Annotations.GetValue("KeyValues", ref values);
        CollectionAssert.AreEqual(new[] { "A", "B" }, values.DenseValues().Select(static v => v.ToString()).ToArray(), "keys without values stand for the answers' columns");
    }

    private static void BothEngines(SupervisedTaskTransformer trained, IDataView rows, string[] columns)
    {
        using var folder = new TemporaryFolder();
        Ml.Model.Save(trained, rows.Schema, folder["model.zip"]);
        ITransformer loaded = Ml.Model.Load(folder["model.zip"], out _);
        float[][] torch = Scores(trained.Transform(rows)), onnx = Scores(loaded.Transform(rows));
        for (int i = 0; i < torch.Length; i++)
        {
            Assert.AreEqual(1, torch[i].Sum(), 1e-5f);
            for (int k = 0; k < torch[i].Length; k++) Assert.AreEqual(torch[i][k], onnx[i][k], 1e-4f);
        }

        CollectionAssert.AreEqual(columns, ((ClassifyTextTransformer)loaded).InputColumnNames.ToArray());
        ((IDisposable)loaded).Dispose();
    }

    private static float[][] Scores(IDataView view) => [.. Ml.Data.CreateEnumerable<Scored>(view, reuseRowObject: false).Select(static row => row.Score)];

    private static IDataView Data(IEnumerable<Pair> pairs) => Ml.Data.LoadFromEnumerable(pairs);

    private static List<Pair> Pairs()
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, 160).Select(i =>
        {
            int first = random.Next(3), second = i % 2 == 0 ? first : (first + 1 + random.Next(2)) % 3;
            return new Pair { First = Word(first), Second = Word(second), Label = i % 2 == 0 ? "same" : "other", Likeness = i % 2 == 0 ? 1 : 0 };
        })];

        string Word(int letter) => $"{(char)('a' + letter)}{(char)('f' + random.Next(5))}";
    }

    private sealed class Pair
    {
        public string First { get; set; } = "";

        public string Second { get; set; } = "";

        public string Label { get; set; } = "";

        public float Likeness { get; set; }
    }

    private sealed class Choice
    {
        public string Context { get; set; } = "";

        public string A { get; set; } = "";

        public string B { get; set; } = "";

        [KeyType(2)]
        public uint Label { get; set; }
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}

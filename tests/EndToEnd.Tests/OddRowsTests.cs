using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Rows without a text, of white space, and longer than the context: first, last, alone, and nothing but such rows.</summary>
[TestClass]
public sealed class OddRowsTests
{
    private const int Context = 16;
    private static readonly string Long = new('a', 100);
    private static readonly string?[] Odd = [null, "", "  \n ", Long];
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij \n"]);
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = Context, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2 };
    private static readonly GptModel Model = new(new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 5)), Letters);

    private static readonly SupervisedTaskOptions Task = new()
    {
        Pretrained = Model,
        Epochs = 1,
        BatchSize = 2,
        LengthBucketBatches = 8,
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    private static readonly SupervisedFineTuningOptions FineTuning = new()
    {
        Pretrained = Model,
        Epochs = 1,
        BatchSize = 2,
        Evaluation = new() { ValidationFraction = 0 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    /// <summary>For each odd text: first, last, alone, and nothing else.</summary>
    public static IEnumerable<object?[]> Arrangements => Odd.SelectMany(static odd => (string?[][])[
        [odd, "ab", "cd", "abc"], ["ab", "cd", "abc", odd], [odd], [odd, odd, odd, odd]]).Select(static texts => new object?[] { texts });

    [ClassCleanup]
    public static void Clean() => Model.Dispose();

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Task_trainers_take_them_as_they_are_and_count_them(string?[] texts)
    {
        IDataView rows = Rows(texts);
        SupervisedTaskTrainer[] trainers =
        [
            Ml.Gpt().Trainers.TextClassification("Key", "Text", Task), Ml.Gpt().Trainers.TextEntailment("Key", "Text", "Text", Task),
            Ml.Gpt().Trainers.SentenceSimilarity("Number", "Text", "Text", Task), Ml.Gpt().Trainers.MultipleChoice("Key", "Text", ["Text", "Text"], Task),
        ];
        foreach (SupervisedTaskTrainer trainer in trainers)
        {
            bool regression = trainer == trainers[2];
            if (texts.Length == 1 && !regression)
            {
                Assert.ThrowsExactly<InvalidLabelsException>(() => trainer.Fit(rows)); // one row has one class
                continue;
            }

            using SupervisedTaskTransformer trained = trainer.Fit(rows);
            SupervisedDataReport report = trained.Training.TrainingData;
            Assert.AreEqual((texts.Length, texts.Count(string.IsNullOrEmpty), texts.Count(static text => text == Long)), (report.Rows, report.EmptyTexts, report.TruncatedRows));
            Assert.IsTrue(double.IsFinite(trained.Training.History[^1].Loss) && trained.Training.SkippedUpdates == 0);
            IDataView scored = trained.Transform(rows);
            float[] scores = [.. regression ? scored.GetColumn<float>("Score") : scored.GetColumn<float[]>("Score").SelectMany(static each => each)];
            Assert.IsTrue(scores.Length >= texts.Length && scores.All(float.IsFinite));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Fine_tuning_takes_any_prompt_and_names_the_row_of_a_completion_that_it_can_not_take(string?[] texts)
    {
        IDataView rows = Rows(texts);
        int firstLong = Array.FindIndex(texts, static text => text == Long), firstEmpty = Array.FindIndex(texts, string.IsNullOrEmpty);
        Attempt(Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Text", "Good", FineTuning), firstLong);
        Attempt(Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Good", "Text", FineTuning), firstEmpty >= 0 ? firstEmpty : firstLong);
        Attempt(Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Text", "Good", FineTuning with { Overflow = ExampleOverflow.KeepTail }), -1);
        if (firstLong >= 0)
        {
            // A long completion under KeepHead is cut; under Skip it is left out, and counted.
            using GptSupervisedFineTuningTransformer cut = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Good", "Text", FineTuning with { Overflow = ExampleOverflow.KeepHead }).Fit(rows);
            Assert.AreEqual(texts.Count(static text => text == Long), cut.Training.TruncatedExamples);
            SupervisedFineTuningTrainer skipping = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Good", "Text", FineTuning with { Overflow = ExampleOverflow.Skip });
            if (texts.All(static text => text == Long)) Assert.IsNull(Assert.ThrowsExactly<TrainingExampleException>(() => skipping.Fit(rows)).Row);
            else skipping.Fit(rows).Dispose();
        }

        void Attempt(SupervisedFineTuningTrainer trainer, int badRow)
        {
            if (badRow >= 0)
            {
                Assert.AreEqual(badRow, Assert.ThrowsExactly<TrainingExampleException>(() => trainer.Fit(rows)).Row);
                return;
            }

            using GptSupervisedFineTuningTransformer trained = trainer.Fit(rows);
            Assert.AreEqual(texts.Length, trained.Training.Examples);
            Assert.IsTrue(double.IsFinite(trained.Training.TrainingLoss));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Fine_tuning_on_conversations_names_the_row_that_is_none(string?[] texts)
    {
        IDataView rows = Rows(texts);
        int first = Array.FindIndex(texts, static text => Odd.Contains(text));
        IDataView conversations = Ml.Data.LoadFromEnumerable(texts.Select(static text => new Row
        {
            Text = Odd.Contains(text) ? text : """[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""",
        }));
        ChatTemplate template = ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" };
        Assert.AreEqual(first, Assert.ThrowsExactly<TrainingExampleException>(() => Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Text", FineTuning with { ChatTemplate = template }).Fit(conversations)).Row);
    }

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Pretraining_leaves_out_and_counts_what_has_no_text(string?[] texts)
    {
        var log = new List<string>();
        var ml = new MLContext(seed: 1);
        ml.Log += (_, line) => log.Add(line.Message);
        var options = new LanguageModelOptions
        {
            Model = Config, Tokenizer = Letters, MaxSteps = 1, BatchSize = 1, Evaluation = new() { ValidationFraction = 0, Interval = 0 }, Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
        };
        LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", options);
        int blank = texts.Count(string.IsNullOrWhiteSpace);
        if (blank == texts.Length)
        {
            Assert.Contains($"{texts.Length}", Assert.ThrowsExactly<EmptyCorpusException>(() => trainer.Fit(Rows(texts))).Message);
            return;
        }

        // Enough text beside it for a row.
        string?[] enough = [.. texts, "abcdefghij abcdefghij"];
        trainer.Fit(Rows(enough)).Dispose();
        Assert.IsTrue(log.Any(line => line.Contains($"{blank} empty", StringComparison.Ordinal)), string.Join('\n', log));
    }

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Transformers_compute_the_good_rows_and_name_the_others(string?[] texts)
    {
        using var folder = new TemporaryFolder();
        Model.ExportOnnx(folder["onnx"]);
        using GptModel onnx = GptModel.FromOnnx(folder["onnx"], GptDevice.Cpu);
        IDataView rows = Rows(texts);
        foreach (GptModel model in (GptModel[])[Model, onnx])
        {
            // Every text has tokens, some of them none.
            VBuffer<int>[] ids = [.. Column<VBuffer<int>>(Ml.Gpt().Transforms.TokenizeText("Out", "Text", Letters).Fit(rows).Transform(rows), -1)];
            CollectionAssert.AreEqual(texts.Select(static text => text?.Length ?? 0).ToArray(), ids.Select(static each => each.Length).ToArray());

            // An empty prompt begins with the begin token; an over-long one throws, alone and by its row.
            int[] longRows = [.. Enumerable.Range(0, texts.Length).Where(i => texts[i] == Long)];
            GenerateTextOptions generation = new() { MaxNewTokens = 3, Temperature = 0, StopAtEndOfText = false };
            ReadOnlyMemory<char>[] answers = Column<ReadOnlyMemory<char>>(Ml.Gpt().Transforms.GenerateText("Out", "Text", model, generation).Fit(rows).Transform(rows), longRows);
            for (int i = 0; i < texts.Length; i++)
            {
                if (texts[i] == Long) continue;
                Assert.AreEqual(model.Generate(texts[i] ?? "", generation), answers[i].ToString());
            }

            Column<ReadOnlyMemory<char>>(Ml.Gpt().Transforms.GenerateText("Out", "Text", model, generation with { PromptOverflow = PromptOverflow.KeepTail }).Fit(rows).Transform(rows));

            // An empty text has the log-likelihood 0, and no perplexity.
            IDataView scored = Ml.Gpt().Transforms.ScoreText("Out", "Text", model).Fit(rows).Transform(rows);
            float[] scores = Column<float>(scored, longRows), perplexities = Column<float>(scored, "Perplexity", longRows);
            for (int i = 0; i < texts.Length; i++)
            {
                if (texts[i] == Long) continue;
                Assert.AreEqual((string.IsNullOrEmpty(texts[i]), string.IsNullOrEmpty(texts[i])), (scores[i] == 0, float.IsNaN(perplexities[i])));
            }

            Column<float>(Ml.Gpt().Transforms.ScoreText("Out", "Text", model, new ScoreTextOptions { Overflow = PromptOverflow.KeepTail }).Fit(rows).Transform(rows));

            // An empty text has the vector of the begin token; an over-long one is cut, or throws.
            float[][] vectors = Column<float[]>(Ml.Gpt().Transforms.EmbedText("Out", "Text", model).Fit(rows).Transform(rows));
            Assert.IsTrue(vectors.All(static vector => vector.All(float.IsFinite)));
            Column<float[]>(Ml.Gpt().Transforms.EmbedText("Out", "Text", model, new EmbedTextOptions { Truncation = null }).Fit(rows).Transform(rows), longRows);

            // Prompts lose their beginning; the answers stay.
            float[][] choices = Column<float[]>(Ml.Gpt().Transforms.ScoreChoices("Best", "Text", model, new ScoreChoicesOptions { Choices = ["a", "b"], ScoreColumnName = "Out" }).Fit(rows).Transform(rows));
            Assert.IsTrue(choices.All(static each => Math.Abs(each.Sum() - 1) < 1e-5));

            // Nothing but JSON is a conversation.
            using var taught = new GptModel(new Borrowed(model.Engine), Letters, ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" });
            int[] none = [.. Enumerable.Range(0, texts.Length)];
            Column<ReadOnlyMemory<char>>(Ml.Gpt().Transforms.GenerateText("Out", "Text", taught, generation with { PromptForm = PromptForm.Conversation }).Fit(rows).Transform(rows), none);

            // Measures over the whole column.
            CorpusScore corpus = Ml.Gpt().Evaluate.LanguageModel(rows, "Text", model);
            Assert.AreEqual((texts.Length, texts.Sum(static text => text?.Length ?? 0)), (corpus.TextCount, corpus.TokenCount));
            Assert.AreEqual(corpus.TokenCount == 0, double.IsNaN(corpus.Perplexity));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Arrangements))]
    public void Prompts_are_built_of_what_is_there(string?[] texts)
    {
        IDataView rows = Rows(texts);
        string[] prompts = [.. Column<ReadOnlyMemory<char>>(Ml.Gpt().Transforms.BuildPrompt("Out", new BuildPromptOptions { Template = "a {Text} b" }).Fit(rows).Transform(rows)).Select(static text => text.ToString())];
        CollectionAssert.AreEqual(texts.Select(static text => $"a {text} b").ToArray(), prompts);
    }

    private static IDataView Rows(string?[] texts)
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(texts.Select(static (text, i) => new Row { Text = text, Key = (uint)(i % 2), Number = i }));
        return rows;
    }

    private static T[] Column<T>(IDataView view, params int[] badRows) => Column<T>(view, "Out", badRows);

    /// <summary>A column's values, at two batch sizes' worth of reading: bad rows must throw and name themselves, all others must not.</summary>
    private static T[] Column<T>(IDataView view, string name, params int[] badRows)
    {
        var values = new List<T>();
        DataViewSchema.Column column = view.Schema[name];
        using DataViewRowCursor cursor = view.GetRowCursor([column]);
        var read = Reader(cursor, column);
        while (cursor.MoveNext())
        {
            if (badRows.Contains((int)cursor.Position))
            {
                Exception thrown = Assert.Throws<GptException>(() => read());
                Assert.Contains($"row {cursor.Position}", thrown.Message, thrown.Message);
                values.Add(default!);
                continue;
            }

            values.Add(read());
        }

        return [.. values];

        static Func<T> Reader(DataViewRowCursor cursor, DataViewSchema.Column column)
        {
            if (typeof(T) == typeof(float[]))
            {
                ValueGetter<VBuffer<float>> vector = cursor.GetGetter<VBuffer<float>>(column);
                return () =>
                {
                    VBuffer<float> value = default;
                    vector(ref value);
                    return (T)(object)value.DenseValues().ToArray();
                };
            }

            ValueGetter<T> getter = cursor.GetGetter<T>(column);
            return () =>
            {
                T value = default!;
                getter(ref value);
                return value;
            };
        }
    }

    /// <summary>An engine that is another model's.</summary>
    private sealed class Borrowed(ICausalModel inner) : ICausalModel
    {
        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public ICausalDecoder BeginDecoding(int rowCount, int capacity) => inner.BeginDecoding(rowCount, capacity);

        public void Dispose()
        {
        }
    }

    private sealed class Row
    {
        public string? Text { get; set; }

        public string Good { get; set; } = "ab";

        [KeyType(2)]
        public uint Key { get; set; }

        public float Number { get; set; }
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Transforms.Tests.Text;

namespace MLNet.Gpt.Transforms.Tests.Columns;

[TestClass]
public sealed class BatchSizeTests
{
    private readonly MLContext _ml = new(seed: 1);

    private IDataView Data(params string[] texts) => _ml.Data.LoadFromEnumerable(Row.Make(texts));

    // A letter further for each letter, and the end after 'e': "ab" → "cde".
    private static GptModel Alphabet(out HistoryModel engine, int contextLength = 64) =>
        TestModels.Saying(text => text.Length == 0 ? "a" : text[^1] is 'e' ? "" : ((char)(text[^1] + 1)).ToString(), out engine, contextLength);

    [TestMethod]
    [DataRow(int.MaxValue)]
    [DataRow(1_000_000)]
    public void A_batch_size_beyond_the_rows_takes_memory_for_the_rows_alone(int batchSize)
    {
        using var folder = new TemporaryFolder();
        using GptModel letters = TestModels.Saying(static _ => "a", out _), network = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        using GptClassifier classifier = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        GptTransformsCatalog transforms = _ml.Gpt().Transforms;
        IDataView data = Data("ab", "c", "hello");
        ITransformer[] transformers =
        [
            transforms.GenerateText("Out", "Text", letters, new() { BatchSize = batchSize, MaxNewTokens = 3 }).Fit(data),
            transforms.ScoreText("Out", "Text", letters, new() { BatchSize = batchSize }).Fit(data),
            transforms.EmbedText("Out", "Text", network, new() { BatchSize = batchSize }).Fit(data),
            transforms.ClassifyText("Out", "Text", classifier, new() { BatchSize = batchSize }).Fit(data),
            transforms.ScoreChoices("Out", "Text", letters, new() { Choices = ["x", "y"], BatchSize = batchSize }).Fit(data),
        ];
        foreach (ITransformer transformer in transformers)
        {
            Read(transformer.Transform(data)); // what is made once
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.AreEqual(3, Read(transformer.Transform(data)), transformer.GetType().Name);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.IsLessThan(4_000_000, allocated, $"{transformer.GetType().Name}: a slot for each of a million rows would be 8 MB and more");
        }

        // All columns, so that each has its window.
        int Read(IDataView view)
        {
            int rows = 0;
            using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
            Action[] getters = [.. view.Schema.Where(static column => column.Name == "Out").Select(column => Getter(cursor, column))];
            while (cursor.MoveNext())
            {
                foreach (Action get in getters) get();
                rows++;
            }

            return rows;
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    [DataRow(8)]
    [DataRow(int.MaxValue)]
    public void A_row_that_is_too_long_throws_by_itself_and_all_others_can_be_read(int batchSize)
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        string[] texts = ["ab", "c", "", "d", "abc", new('a', 65), "b", "cd"];
        string[] expected = ["cde", "de", "abcde", "e", "de", "", "cde", "e"];
        GenerateTextTransformer transformer = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { BatchSize = batchSize }).Fit(Data("a"));
        IDataView data = transformer.Transform(Data(texts));
        using (DataViewRowCursor cursor = data.GetRowCursor(data.Schema))
        {
            var answer = cursor.GetGetter<ReadOnlyMemory<char>>(data.Schema["Answer"]);
            var number = cursor.GetGetter<float>(data.Schema["Number"]);
            for (int row = 0; row < texts.Length; row++)
            {
                Assert.IsTrue(cursor.MoveNext());
                ReadOnlyMemory<char> text = default;
                float kept = 0;
                number(ref kept);
                Assert.AreEqual(row + 0.5f, kept, "the input's own columns are there in any case");
                for (int time = 0; time < 2; time++)
                {
                    if (row == 5)
                    {
                        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => answer(ref text));
                        Assert.AreEqual((65, 64), (exception.TokenCount, exception.Limit));
                        Assert.Contains("column 'Text', row 5", exception.Message);
                        continue;
                    }

                    int calls = engine.RowsOfCalls.Count;
                    answer(ref text);
                    Assert.AreEqual(expected[row], text.ToString(), $"row {row}");
                    if (time == 1) Assert.HasCount(calls, engine.RowsOfCalls, "a row is computed once");
                }
            }

            Assert.IsFalse(cursor.MoveNext());
        }

        // The same through ML.NET's own readers.
        List<string> read = [];
        Assert.ThrowsExactly<PromptTooLongException>(() =>
        {
            foreach (AnsweredOnly row in _ml.Data.CreateEnumerable<AnsweredOnly>(data, reuseRowObject: false)) read.Add(row.Answer);
        });
        CollectionAssert.AreEqual(expected[..5], read);
        using PredictionEngine<Row, AnsweredOnly> predictor = _ml.Model.CreatePredictionEngine<Row, AnsweredOnly>(transformer, new PredictionEngineOptions { OwnsTransformer = false });
        Assert.ThrowsExactly<PromptTooLongException>(() => predictor.Predict(Row.Make(texts[5])[0]));
        Assert.AreEqual("cde", predictor.Predict(Row.Make("ab")[0]).Answer);
    }

    // 40 rows of 1 and of 9 letters in turn, 4 at once: batches of one length, computed when one of their rows is asked for.
    [TestMethod]
    public void Generation_batches_rows_of_like_length_and_only_those_that_are_asked_for()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        string[] texts = [.. Enumerable.Range(0, 40).Select(static i => i % 2 == 0 ? "a" : "aaaaaaaad")];
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { BatchSize = 4, MaxNewTokens = 2 }).Fit(Data("a")).Transform(Data(texts));
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema);
        var answer = cursor.GetGetter<ReadOnlyMemory<char>>(data.Schema["Answer"]);
        for (int row = 0; row < texts.Length; row++)
        {
            Assert.IsTrue(cursor.MoveNext());
            ReadOnlyMemory<char> text = default;
            answer(ref text);
            Assert.AreEqual(row % 2 == 0 ? "bc" : "e", text.ToString());
            Assert.HasCount((row / 8 * 2) + (row % 8 == 0 ? 1 : 2), engine.Capacities, $"row {row}: a batch for each four of a length");
        }

        Assert.IsFalse(cursor.MoveNext());
        CollectionAssert.AreEqual(Enumerable.Range(0, 10).Select(static i => i % 2 == 0 ? 2 : 10).ToArray(), engine.Capacities);
        Assert.DoesNotContain(true, engine.MaskedCalls);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(8)]
    public void A_row_with_a_character_that_the_tokenizer_does_not_know_is_named(int batchSize)
    {
        using GptModel model = Alphabet(out _);
        IDataView data = _ml.Gpt().Transforms.ScoreText("Score", "Text", model, new() { BatchSize = batchSize }).Fit(Data("a")).Transform(Data("ab", "c", "a中", "d"));
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema);
        var score = cursor.GetGetter<float>(data.Schema["Score"]);
        for (int row = 0; row < 4; row++)
        {
            Assert.IsTrue(cursor.MoveNext());
            float value = 0;
            if (row != 2)
            {
                score(ref value);
                Assert.IsLessThan(0f, value);
                continue;
            }

            var exception = Assert.ThrowsExactly<TextRowException>(() => score(ref value));
            Assert.AreEqual(2, exception.Row);
            Assert.AreEqual("Text", exception.ColumnNames.Single());
            Assert.AreEqual(1, ((UnknownCharacterException)exception.InnerException!).Position);
            Assert.StartsWith("Column 'Text', row 2: Character U+4E2D", exception.Message);
        }
    }

    private static Action Getter(DataViewRow row, DataViewSchema.Column column)
    {
        return column.Type switch
        {
            VectorDataViewType => Typed<VBuffer<float>>(),
            KeyDataViewType => Typed<uint>(),
            TextDataViewType => Typed<ReadOnlyMemory<char>>(),
            _ => Typed<float>(),
        };

        Action Typed<T>()
        {
            ValueGetter<T> get = row.GetGetter<T>(column);
            T value = default!;
            return () => get(ref value);
        }
    }

    private sealed class AnsweredOnly
    {
        public string Answer { get; set; } = "";
    }
}

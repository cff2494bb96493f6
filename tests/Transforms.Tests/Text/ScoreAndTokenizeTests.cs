using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Text;

[TestClass]
public sealed class ScoreAndTokenizeTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class ScoredRow
    {
        public float LogLikelihood { get; set; }

        public float Perplexity { get; set; }

        public int TokenCount { get; set; }
    }

    // A uniform guess among V tokens, so that n letters have the log-likelihood -n·ln V and the perplexity V.
    private static GptModel Uniform(out HistoryModel engine)
    {
        engine = new HistoryModel(TestModels.Letters.VocabularySize, 16, _ => new float[TestModels.Letters.VocabularySize]);
        return new GptModel(engine, TestModels.Letters);
    }

    private IDataView Data(params string[] texts) => _ml.Data.LoadFromEnumerable(Row.Make(texts));

    [TestMethod]
    public void A_text_gets_log_likelihood_perplexity_and_token_count()
    {
        using GptModel model = Uniform(out _);
        IDataView data = _ml.Gpt().Transforms.ScoreText("LogLikelihood", "Text", model, new() { BatchSize = 2 }).Fit(Data("a")).Transform(Data("abc", "", "hello"));
        ScoredRow[] rows = [.. _ml.Data.CreateEnumerable<ScoredRow>(data, reuseRowObject: false)];
        double v = TestModels.Letters.VocabularySize;
        CollectionAssert.AreEqual(new[] { 3, 0, 5 }, rows.Select(row => row.TokenCount).ToArray());
        foreach (ScoredRow row in rows)
            Assert.AreEqual(-row.TokenCount * Math.Log(v), row.LogLikelihood, 1e-5);
        Assert.AreEqual(v, rows[0].Perplexity, 1e-4);
        Assert.IsTrue(float.IsNaN(rows[1].Perplexity));
        Assert.AreEqual(v, rows[2].Perplexity, 1e-4);
    }

    [TestMethod]
    public void Columns_can_be_named_and_left_out()
    {
        using GptModel model = Uniform(out _);
        DataViewSchema schema = _ml.Gpt().Transforms.ScoreText("Score", "Text", model, new() { PerplexityColumnName = null, TokenCountColumnName = "N" }).Fit(Data("a")).GetOutputSchema(Data("a").Schema);
        CollectionAssert.AreEqual(new[] { "Score", "N" }, schema.Skip(Data("a").Schema.Count).Select(c => c.Name).ToArray());
        CollectionAssert.AreEqual(new DataViewType[] { NumberDataViewType.Single, NumberDataViewType.Int32 }, schema.Skip(Data("a").Schema.Count).Select(c => c.Type).ToArray());
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Gpt().Transforms.ScoreText("Perplexity", "Text", model));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Gpt().Transforms.ScoreText("Score", "Text", model, new() { BatchSize = 0 }));
    }

    [TestMethod]
    public void A_text_that_is_too_long_is_an_error_that_names_the_row_or_keeps_its_tail()
    {
        using GptModel model = Uniform(out HistoryModel engine);
        string tooLong = new('a', 17);
        IDataView data = _ml.Gpt().Transforms.ScoreText("Score", "Text", model).Fit(Data("a")).Transform(Data("a", tooLong));
        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => data.GetColumn<float>("Score").ToArray());
        StringAssert.Contains(exception.Message, "column 'Text', row 1");
        Assert.IsTrue(engine.RowsOfCalls.All(static rows => rows == 1), "the rows before it are computed one by one");
        IDataView tail = _ml.Gpt().Transforms.ScoreText("Score", "Text", model, new() { Overflow = PromptOverflow.KeepTail }).Fit(Data("a")).Transform(Data(tooLong));
        Assert.AreEqual(16, tail.GetColumn<int>("TokenCount").Single());
    }

    [TestMethod]
    public void Cancelling_ends_the_cursor()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        using GptModel model = Uniform(out _);
        IDataView data = _ml.Gpt().Transforms.ScoreText("Score", "Text", model, new() { CancellationToken = source.Token }).Fit(Data("a")).Transform(Data("a"));
        Assert.ThrowsExactly<OperationCanceledException>(() => data.GetColumn<float>("Score").ToArray());
    }

    [TestMethod]
    public void Text_becomes_token_ids()
    {
        IDataView data = _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", TestModels.Letters).Fit(Data("a")).Transform(Data("hello", "", "a<|endoftext|>b", "abc"));
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Int32), data.Schema["Tokens"].Type);
        string[] found = [.. data.GetColumn<int[]>("Tokens").Select(ids => string.Join(" ", ids))];
        int a = TestModels.Letters.Encode("a")[0], end = TestModels.Letters.EndOfTextId;
        // 'a' to 'z' follow each other, and so do their ids.
        CollectionAssert.AreEqual(new[] { $"{a + 7} {a + 4} {a + 11} {a + 11} {a + 14}", "", $"{a} {end} {a + 1}", $"{a} {a + 1} {a + 2}" }, found);
    }

    [TestMethod]
    public void Special_tokens_can_be_text()
    {
        var tokenizer = GptTokenizer.FromCharacters(["ab<|endoftext>"]);
        IDataView data = _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", tokenizer, new() { SpecialTokens = SpecialTokenHandling.AsText }).Fit(Data("a")).Transform(Data("a<|endoftext|>"));
        Assert.HasCount(14, data.GetColumn<int[]>("Tokens").Single());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", tokenizer, new() { SpecialTokens = (SpecialTokenHandling)5 }));
        Assert.ThrowsExactly<ArgumentNullException>(() => _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", null!));
    }

    [TestMethod]
    public void The_shape_of_the_schema_is_the_schema()
    {
        var shape = new SchemaShape([SchemaShapeColumn.Create("Text", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, false, null)]);
        SchemaShape after = _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", TestModels.Letters).GetOutputSchema(shape);
        SchemaShape.Column tokens = after.Single(column => column.Name == "Tokens");
        Assert.AreEqual((SchemaShape.Column.VectorKind.VariableVector, (DataViewType)NumberDataViewType.Int32, false), (tokens.Kind, tokens.ItemType, tokens.IsKey));
        Assert.AreEqual(2, after.Count);
        Assert.AreEqual(1, _ml.Gpt().Transforms.TokenizeText("Text", null, TestModels.Letters).GetOutputSchema(shape).Count);
        Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Transforms.TokenizeText("Tokens", "Other", TestModels.Letters).GetOutputSchema(shape));
        var vector = new SchemaShape([SchemaShapeColumn.Create("Text", SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, false, null)]);
        Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Transforms.TokenizeText("Tokens", "Text", TestModels.Letters).GetOutputSchema(vector));
    }
}

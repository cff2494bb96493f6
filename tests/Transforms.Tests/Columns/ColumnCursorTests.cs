using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Columns;

/// <summary>What a cursor hands on to the rows that it reads, and back to the one that reads it.</summary>
[TestClass]
public sealed class ColumnCursorTests
{
    private static readonly string[] Texts = ["a", "bc", "d", "ef", "g"];

    private readonly MLContext _ml = new(seed: 1);

    // Says the text again, once.
    private static GptModel Echo(out HistoryModel engine) => TestModels.Saying(static text => text.Length is > 0 and < 3 ? "z" : "", out engine);

    private IDataView Transform(IDataView input, GptModel model, int batchSize = 2) =>
        _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { MaxNewTokens = 1, Temperature = 0, BatchSize = batchSize }).Fit(input).Transform(input);

    [TestMethod]
    public void A_cursor_that_is_left_early_frees_its_input_and_one_more_reads_on()
    {
        using GptModel model = Echo(out HistoryModel engine);
        var input = new WatchedView(Texts);
        IDataView data = Transform(input, model);
        DataViewSchema.Column answer = data.Schema["Answer"];
        ReadOnlyMemory<char> value = default;
        using (DataViewRowCursor left = data.GetRowCursor([answer]), other = data.GetRowCursor([answer]))
        {
            Assert.AreEqual(2, input.Open);
            Assert.IsTrue(left.MoveNext() && other.MoveNext() && other.MoveNext());
            left.GetGetter<ReadOnlyMemory<char>>(answer)(ref value);
            Assert.AreEqual("z", value.ToString());
            left.Dispose();
            Assert.AreEqual(1, input.Open);
            for (int row = 1; row < Texts.Length; row++)
            {
                other.GetGetter<ReadOnlyMemory<char>>(answer)(ref value);
                Assert.AreEqual("z", value.ToString());
                Assert.AreEqual(((long)row, (long)row / 2), (other.Position, other.Batch));
                Assert.AreEqual(row + 1 < Texts.Length, other.MoveNext());
            }
        }

        Assert.AreEqual(0, input.Open);
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public void A_row_that_was_mapped_frees_its_input()
    {
        using GptModel model = Echo(out _);
        var input = new WatchedView(Texts);
        IRowToRowMapper mapper = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(input).GetRowToRowMapper(input.Schema);
        DataViewRowCursor cursor = input.GetRowCursor([input.Schema["Text"]]);
        Assert.IsTrue(cursor.MoveNext());
        using (DataViewRow row = mapper.GetRow(cursor, [mapper.OutputSchema["Answer"]]))
        {
            Assert.IsTrue(row.IsColumnActive(mapper.OutputSchema["Answer"]));
            Assert.IsTrue(row.IsColumnActive(mapper.OutputSchema["Text"]), "it is active in the input");
            Assert.IsFalse(row.IsColumnActive(mapper.OutputSchema["Pair"]), "nor was it asked for there");
            Assert.AreEqual(1, input.Open);
        }

        Assert.AreEqual(0, input.Open);
    }

    [TestMethod]
    public void The_input_is_shuffled_with_what_the_cursor_is_asked_for_and_gives_the_columns_that_are_needed()
    {
        using GptModel model = Echo(out _);
        var input = new WatchedView(Texts);
        IDataView data = Transform(input, model);
        var random = new Random(3);
        foreach (Func<Random?, DataViewSchema.Column, DataViewRowCursor[]> open in (Func<Random?, DataViewSchema.Column, DataViewRowCursor[]>[])[
            (rand, column) => [data.GetRowCursor([column], rand)], (rand, column) => data.GetRowCursorSet([column], 2, rand)])
        {
            foreach ((Random? rand, string column, string needed) in ((Random?, string, string)[])[(random, "Answer", "Text"), (null, "Pair", "Pair"), (random, "Text", "Text")])
            {
                foreach (DataViewRowCursor cursor in open(rand, data.Schema[column])) cursor.Dispose();
                Assert.AreSame(rand, input.Shuffling);
                Assert.AreEqual(needed, input.Needed);
            }
        }

        Assert.AreEqual((long?)Texts.Length, data.GetRowCount());
        Assert.AreEqual(0, input.Open);
    }

    [TestMethod]
    public void Several_cursors_share_the_rows_and_each_tells_the_batch_of_its_own()
    {
        using GptModel model = Echo(out _);
        IDataView data = Transform(new WatchedView(Texts), model, batchSize: 3);
        List<string> rows = [];
        foreach (DataViewRowCursor cursor in data.GetRowCursorSet(data.Schema, 2))
        {
            using (cursor)
            {
                while (cursor.MoveNext()) rows.Add($"{cursor.Position}/{cursor.Batch}");
                Assert.AreEqual((-1L, 0L), (cursor.Position, cursor.Batch));
            }
        }

        CollectionAssert.AreEqual(new[] { "0/0", "1/0", "2/1", "3/1", "4/2" }, rows);
    }

    [TestMethod]
    public void What_a_reader_writes_into_a_vector_stays_its_own()
    {
        using GptModel model = Echo(out _);
        IDataView data = Transform(new WatchedView(Texts), model);
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema);
        ValueGetter<VBuffer<float>> get = cursor.GetGetter<VBuffer<float>>(data.Schema["Pair"]);
        VBuffer<float> first = default, again = default;
        Assert.IsTrue(cursor.MoveNext() && cursor.MoveNext());
        get(ref first);
        VBufferEditor<float> editor = VBufferEditor.CreateFromBuffer(ref first);
        editor.Values[0] = 99;
        first = editor.Commit();
        get(ref again);
        CollectionAssert.AreEqual(new float[] { 1, -1 }, again.DenseValues().ToArray());
        while (cursor.MoveNext()) { }
        CollectionAssert.AreEqual(new float[] { 99, -1 }, first.DenseValues().ToArray(), "nor do rows that are read later");
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Text;

[TestClass]
public sealed class GenerateTextTests
{
    private static readonly string[] Prompts = ["ab", "hello", "c", "", "world", "xyz", "q"];

    private readonly MLContext _ml = new(seed: 1);

    private static GenerateTextOptions AllColumns { get; } = new() { MaxNewTokens = 6, FinishReasonColumnName = "Reason", TokenCountColumnName = "Count", BatchSize = 3 };

    // A letter further for each letter, and the end after 'e': "ab" → "cde".
    private static GptModel Alphabet(out HistoryModel engine) =>
        TestModels.Saying(text => text.Length == 0 ? "a" : text[^1] is 'e' ? "" : ((char)(text[^1] + 1)).ToString(), out engine);

    // Draws among many letters, so that a wrong seed or a mixed-up row shows.
    private static GptModel Dreamer(out HistoryModel engine)
    {
        engine = new HistoryModel(TestModels.Letters.VocabularySize, 32, history =>
        {
            var random = new Random(history.Aggregate(7, (hash, id) => unchecked((hash * 31) + id)));
            return [.. Enumerable.Range(0, TestModels.Letters.VocabularySize).Select(_ => 3 * random.NextSingle())];
        });
        return new GptModel(engine, TestModels.Letters);
    }

    private IDataView Data(params string[] texts) => _ml.Data.LoadFromEnumerable(Row.Make(texts));

    private string[] Read(IDataView data) => [.. _ml.Data.CreateEnumerable<AnsweredRow>(data, reuseRowObject: false).Select(row => row.ToString())];

    [TestMethod]
    public void A_most_below_the_models_own_least_is_meant_by_the_flat_overload()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        File.WriteAllText(Path.Combine(package, "generation_config.json"), """{"min_new_tokens":6,"max_new_tokens":9,"do_sample":false}""");
        using GptModel model = GptModel.FromOnnx(package);
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable(Row.Make(["abc"]));
        foreach ((int? asked, int least, int most) in new (int?, int, int)[] { (2, 2, 2), (7, 6, 7), (null, 6, 9) })
        {
            GenerateTextTransformer transformer = ml.Gpt().Transforms.GenerateText("Reply", "Text", model, maxNewTokens: asked).Fit(data);
            Assert.AreEqual((least, most), (transformer.Options.MinNewTokens, transformer.Options.MaxNewTokens));
            Assert.IsLessThanOrEqualTo(most, transformer.Transform(data).GetColumn<string>("Reply").Single().Length, "a letter is a token");
        }

        // Options that are given as a whole mean what they say.
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.Gpt().Transforms.GenerateText("Reply", "Text", model, model.Generation with { MaxNewTokens = 2 }));
    }

    [TestMethod]
    public void Special_tokens_in_the_new_text_are_written_unless_they_are_to_be_skipped()
    {
        // a, end-of-text as a token like any other, b, and so on.
        int a = TestModels.Letters.Encode("a")[0], b = TestModels.Letters.Encode("b")[0], end = TestModels.Letters.EndOfTextId;
        using var model = new GptModel(new HistoryModel(TestModels.Letters.VocabularySize, 32, history =>
        {
            float[] logits = new float[TestModels.Letters.VocabularySize];
            logits[history[^1] == a ? end : history[^1] == end ? b : a] = 30;
            return logits;
        }), TestModels.Letters);
        GenerateTextOptions options = new() { MaxNewTokens = 6, Temperature = 0, StopAtEndOfText = false };
        foreach ((bool skip, string[] stops, string expected) in (ReadOnlySpan<(bool, string[], string)>)[
            (false, [], "a<|endoftext|>ba<|endoftext|>b"), (true, [], "abab"), (true, ["ba"], "a"), (false, ["ba"], "a<|endoftext|>"), (false, ["|>"], "a<|endoftext"), (true, ["|>"], "abab")])
        {
            GenerateTextOptions chosen = options with { SkipSpecialTokens = skip, StopStrings = stops };
            Assert.AreEqual(expected, model.Generate("x", chosen));
            Assert.AreEqual(expected, string.Concat(model.GenerateStreaming("x", chosen).ToBlockingEnumerable()));
            IDataView column = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, chosen).Fit(Data("x")).Transform(Data("x"));
            Assert.AreEqual(expected, column.GetColumn<string>("Answer").Single());
        }
    }

    [TestMethod]
    public void Stop_tokens_that_the_vocabulary_does_not_have_are_refused_before_anything_is_computed()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        GenerateTextOptions options = new() { StopTokenIds = [2, TestModels.Letters.VocabularySize] };
        foreach (Action act in (Action[])[
            () => _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, options),
            () => model.GenerateStreaming("a", options),
            () => model.Generate("a", options),
            () => new GptModel(engine, TestModels.Letters, ChatTemplate.Default with { SystemMarker = null, UserMarker = "u", AssistantMarker = "a" }).AsChatClient(new() { Generation = options })])
        {
            TokenOutOfRangeException refused = Assert.ThrowsExactly<TokenOutOfRangeException>(act);
            Assert.AreEqual((long)TestModels.Letters.VocabularySize, refused.TokenId);
            Assert.Contains("StopTokenIds", refused.Message);
        }

        Assert.IsEmpty(engine.RowsOfCalls);
    }

    [TestMethod]
    public void A_prompt_column_becomes_a_text_column()
    {
        using GptModel model = Alphabet(out _);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("ab")).Transform(Data("ab", "", "e"));
        CollectionAssert.AreEqual(
            new[] { "ab|0.5|0,0||1|cde|StopToken|3", "|1.5|1,-1|1.0|2|abcde|StopToken|5", "e|2.5|2,-2|2.0,2.1|3||StopToken|0" },
            Read(data));
    }

    [TestMethod]
    public void The_schema_keeps_the_columns_and_adds_those_asked_for()
    {
        using GptModel model = Alphabet(out _);
        DataViewSchema before = Data("a").Schema;
        DataViewSchema after = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).GetOutputSchema(before);
        CollectionAssert.AreEqual(before.Select(c => c.Name).Concat(["Answer", "Reason", "Count"]).ToArray(), after.Select(c => c.Name).ToArray());
        CollectionAssert.AreEqual(
            before.Select(c => c.Type).Concat([TextDataViewType.Instance, TextDataViewType.Instance, NumberDataViewType.Int32]).ToArray(), after.Select(c => c.Type).ToArray());
        Assert.AreEqual(before.Count + 1, _ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(Data("a")).GetOutputSchema(before).Count);
    }

    [TestMethod]
    public void A_chain_knows_the_columns_before_anything_is_fitted()
    {
        using GptModel model = Alphabet(out _);
        var chain = _ml.Transforms.CopyColumns("Prompt", "Text")
            .Append(_ml.Gpt().Transforms.GenerateText("Answer", "Prompt", model, AllColumns))
            .Append(_ml.Transforms.CopyColumns("Copy", "Answer"))
            .Append(_ml.Gpt().Transforms.GenerateText("Again", "Answer", model));
        IDataView data = chain.Fit(Data("a")).Transform(Data("ab", "c"));
        CollectionAssert.AreEqual(new[] { "cde", "de" }, data.GetColumn<string>("Copy").ToArray());
        CollectionAssert.AreEqual(new[] { "", "" }, data.GetColumn<string>("Again").ToArray()); // both answers end in 'e'
    }

    [TestMethod]
    public void Without_an_input_column_the_output_takes_its_place()
    {
        using GptModel model = Alphabet(out _);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Text", null, model).Fit(Data("a")).Transform(Data("ab"));
        Assert.AreEqual("cde", data.GetColumn<string>("Text").Single());
    }

    [TestMethod]
    public void Rows_are_computed_in_batches_and_come_out_as_one_by_one()
    {
        using GptModel model = Dreamer(out HistoryModel engine);
        using GptModel single = Dreamer(out _);
        string[] batched = Read(_ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data(Prompts)));
        string[] alone = Read(_ml.Gpt().Transforms.GenerateText("Answer", "Text", single, AllColumns with { BatchSize = 1 }).Fit(Data("a")).Transform(Data(Prompts)));
        CollectionAssert.AreEqual(alone, batched);
        Assert.AreEqual(3, engine.RowsOfCalls[0]);
        Assert.AreEqual(3, engine.RowsOfCalls.Max());
        Assert.HasCount(7, alone.Distinct().ToArray());
    }

    [TestMethod]
    public void A_second_pass_gives_the_same()
    {
        using GptModel model = Dreamer(out _);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data(Prompts));
        CollectionAssert.AreEqual(Read(data), Read(data));
    }

    [TestMethod]
    public void Nothing_is_computed_for_columns_that_nobody_asks_for()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data(Prompts));
        CollectionAssert.AreEqual(Prompts, data.GetColumn<string>("Text").ToArray());
        Assert.AreEqual(7, data.GetRowCount());
        using (DataViewRowCursor cursor = data.GetRowCursor([data.Schema["Answer"], data.Schema["Key"]]))
        {
            while (cursor.MoveNext()) { } // active, but never read
            Assert.IsTrue(cursor.IsColumnActive(data.Schema["Answer"]));
            Assert.IsFalse(cursor.IsColumnActive(data.Schema["Count"]));
            Assert.IsFalse(cursor.IsColumnActive(data.Schema["Text"]));
            Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<int>(data.Schema["Count"]));
            Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<int>(data.Schema["Answer"]));
        }

        Assert.HasCount(0, engine.RowsOfCalls);
    }

    [TestMethod]
    public void Several_columns_of_a_row_are_computed_once()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data("ab", "b", "ab"));
        Read(data);
        Assert.HasCount(4, engine.RowsOfCalls); // the three prompts at once, then c, d and e
    }

    [TestMethod]
    public void A_cursor_at_no_row_gives_no_value()
    {
        using GptModel model = Alphabet(out _);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data("a", "b"));
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema);
        ValueGetter<ReadOnlyMemory<char>> answer = cursor.GetGetter<ReadOnlyMemory<char>>(data.Schema["Answer"]);
        ValueGetter<float> number = cursor.GetGetter<float>(data.Schema["Number"]);
        ReadOnlyMemory<char> text = default;
        float value = 0;
        Assert.AreEqual(-1, cursor.Position);
        Assert.ThrowsExactly<InvalidOperationException>(() => answer(ref text));
        Assert.IsTrue(cursor.MoveNext());
        Assert.AreEqual(0, cursor.Position);
        answer(ref text);
        Assert.AreEqual("bcde", text.ToString());
        Assert.IsTrue(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.ThrowsExactly<InvalidOperationException>(() => number(ref value));
    }

    [TestMethod]
    public void Rows_keep_their_ids_positions_and_order_under_shuffling()
    {
        using GptModel model = Alphabet(out _);
        IDataView source = Data("a", "b", "c", "d", "e");
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(source).Transform(source);
        Assert.AreEqual(source.CanShuffle, data.CanShuffle);
        Assert.AreEqual(Ids(source, new Random(3)), Ids(data, new Random(3)));

        static string Ids(IDataView view, Random random)
        {
            List<string> rows = [];
            using DataViewRowCursor cursor = view.GetRowCursor(view.Schema, random);
            ValueGetter<DataViewRowId> id = cursor.GetIdGetter();
            ValueGetter<ReadOnlyMemory<char>> text = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Text"]);
            while (cursor.MoveNext())
            {
                DataViewRowId value = default;
                ReadOnlyMemory<char> letters = default;
                id(ref value);
                text(ref letters);
                rows.Add($"{cursor.Position} {cursor.Batch} {value} {letters}");
            }

            return string.Join("; ", rows);
        }
    }

    [TestMethod]
    public void Parallel_cursors_give_the_same_rows()
    {
        using GptModel model = Dreamer(out _);
        string[] texts = [.. Enumerable.Range(0, 60).Select(i => new string((char)('a' + (i % 26)), 1 + (i / 26)))];
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a")).Transform(Data(texts));
        DataViewSchema.Column text = data.Schema["Text"], answer = data.Schema["Answer"];
        string[] expected = [.. data.GetColumn<string>("Answer").Zip(texts, (a, t) => $"{t} {a}")];

        // A set of cursors, each on a thread of its own, shares the rows; and each of several whole cursors has all of them.
        DataViewRowCursor[] set = data.GetRowCursorSet([text, answer], 4);
        CollectionAssert.AreEquivalent(expected, Run(set).SelectMany(rows => rows).ToArray());
        foreach (List<string> rows in Run([.. Enumerable.Range(0, 4).Select(_ => data.GetRowCursor([text, answer]))]))
            CollectionAssert.AreEqual(expected, rows);

        List<string>[] Run(DataViewRowCursor[] cursors)
        {
            var results = new List<string>[cursors.Length];
            Thread[] threads = [.. cursors.Select((cursor, i) => new Thread(() => results[i] = ReadAll(cursor)))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
            return results;
        }

        List<string> ReadAll(DataViewRowCursor cursor)
        {
            using (cursor)
            {
                List<string> rows = [];
                ValueGetter<ReadOnlyMemory<char>> getText = cursor.GetGetter<ReadOnlyMemory<char>>(text), getAnswer = cursor.GetGetter<ReadOnlyMemory<char>>(answer);
                ReadOnlyMemory<char> t = default, a = default;
                while (cursor.MoveNext())
                {
                    getText(ref t);
                    getAnswer(ref a);
                    rows.Add($"{t} {a}");
                }

                return rows;
            }
        }
    }

    [TestMethod]
    public void A_prediction_engine_computes_each_row_once_and_leaves_the_callers_model_alone()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        GenerateTextTransformer transformer = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, AllColumns).Fit(Data("a"));
        using (PredictionEngine<Row, AnsweredRow> predictor = _ml.Model.CreatePredictionEngine<Row, AnsweredRow>(transformer))
        {
            Assert.AreEqual("ab|0.5|0,0||1|cde|StopToken|3", predictor.Predict(Row.Make("ab")[0]).ToString());
            Assert.HasCount(4, engine.RowsOfCalls); // "ab", c, d, e
            Assert.AreEqual("d|0.5|0,0||1|e|StopToken|1", predictor.Predict(Row.Make("d")[0]).ToString());
            Assert.AreEqual("ab|0.5|0,0||1|cde|StopToken|3", predictor.Predict(Row.Make("ab")[0]).ToString());
        }

        Assert.AreEqual("b", model.Generate("a", new() { MaxNewTokens = 1 }));
    }

    [TestMethod]
    public void A_cache_after_the_transformer_computes_once()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        IDataView data = _ml.Data.Cache(_ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(Data("a")).Transform(Data("ab")));
        CollectionAssert.AreEqual(data.GetColumn<string>("Answer").ToArray(), data.GetColumn<string>("Answer").ToArray());
        Assert.HasCount(4, engine.RowsOfCalls);
    }

    [TestMethod]
    public void A_missing_column_or_another_type_is_an_error_that_names_both()
    {
        using GptModel model = Alphabet(out _);
        foreach ((string column, string expected) in new[] { ("Absent", "'Text', 'Number'"), ("Number", "Single"), ("Words", "Vector<String"), ("Key", "Key<UInt32") })
        {
            var estimator = _ml.Gpt().Transforms.GenerateText("Answer", column, model);
            var fitted = Assert.ThrowsExactly<ColumnMismatchException>(() => estimator.Fit(Data("a")));
            Assert.AreEqual((column, "text"), (fitted.ColumnName, fitted.Expected));
            StringAssert.Contains(fitted.Message, expected);
            Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Transforms.CopyColumns("Copy", "Text").Append(estimator).Fit(Data("a")), "in a chain");
            GenerateTextTransformer transformer = new("Answer", column, model, new());
            Assert.ThrowsExactly<ColumnMismatchException>(() => transformer.Transform(Data("a")));
            Assert.ThrowsExactly<ColumnMismatchException>(() => transformer.GetRowToRowMapper(Data("a").Schema));
        }
    }

    [TestMethod]
    public void A_prompt_that_is_too_long_is_an_error_that_names_the_row()
    {
        using GptModel model = Alphabet(out HistoryModel engine);
        string tooLong = new('a', 65);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(Data("a")).Transform(Data("a", "b", tooLong));
        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => data.GetColumn<string>("Answer").ToArray());
        Assert.AreEqual((65, 64), (exception.TokenCount, exception.Limit));
        StringAssert.Contains(exception.Message, "column 'Text', row 2");
        Assert.IsTrue(engine.RowsOfCalls.All(static rows => rows == 1), "the rows before it are computed one by one");
        Assert.AreEqual("bcde", _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { PromptOverflow = PromptOverflow.KeepTail })
            .Fit(Data("a")).Transform(Data(tooLong)).GetColumn<string>("Answer").Single());
    }

    [TestMethod]
    public void Cancelling_ends_the_cursor()
    {
        using var source = new CancellationTokenSource();
        int letters = 0;
        using GptModel model = TestModels.Saying(_ =>
        {
            if (++letters == 5) source.Cancel();
            return "a";
        }, out HistoryModel engine);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { CancellationToken = source.Token }).Fit(Data("a")).Transform(Data("a"));
        Assert.ThrowsExactly<OperationCanceledException>(() => data.GetColumn<string>("Answer").ToArray());
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public void Bad_options_are_errors_when_the_estimator_is_made()
    {
        using GptModel model = Alphabet(out _);
        GptTransformsCatalog transforms = _ml.Gpt().Transforms;
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => transforms.GenerateText("Answer", "Text", model, temperature: -1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => transforms.GenerateText("Answer", "Text", model, new() { SpecialTokens = (SpecialTokenHandling)9 }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.GenerateText("Answer", "Text", model, new() { SamplesPerPrompt = 2 }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.GenerateText("Answer", "Text", model, new() { FinishReasonColumnName = "Answer" }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.GenerateText("Answer", "Text", model, new() { TokenCountColumnName = "" }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.GenerateText("", "Text", model));
        Assert.ThrowsExactly<ArgumentNullException>(() => transforms.GenerateText("Answer", "Text", null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => transforms.GenerateText("Answer", "Text", model, null!));
    }

    [TestMethod]
    public void A_row_of_another_schema_is_refused()
    {
        using GptModel model = Alphabet(out _);
        IDataView data = Data("a"), other = Data("a");
        IRowToRowMapper mapper = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(data).GetRowToRowMapper(data.Schema);
        Assert.AreSame(data.Schema, mapper.InputSchema);
        CollectionAssert.AreEqual(new[] { "Text" }, mapper.GetDependencies([mapper.OutputSchema["Answer"]]).Select(c => c.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "Key" }, mapper.GetDependencies([mapper.OutputSchema["Key"]]).Select(c => c.Name).ToArray());
        using DataViewRowCursor cursor = other.GetRowCursor(other.Schema);
        Assert.ThrowsExactly<ArgumentException>(() => mapper.GetRow(cursor, mapper.OutputSchema));
    }
}

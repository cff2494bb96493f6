using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Classification;

[TestClass]
public sealed class ClassifyTextTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly string[] Texts = ["abc", "", "hello there this is a text of many more letters than fit", "z", "é!", "same", "same"];

    [TestMethod]
    public void Rows_keep_their_order_and_do_not_depend_on_their_neighbours()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        foreach (ClassifyTextOptions options in (ClassifyTextOptions[])[new(), new() { BatchSize = 2 }, new() { BatchSize = 1 }, new() { MaxBatchTokens = 1 }])
        {
            Scored[] rows = Read(model, options);
            for (int i = 0; i < Texts.Length; i++)
            {
                TextPrediction alone = model.Classify(Texts[i]);
                for (int k = 0; k < 3; k++) Assert.AreEqual(alone.Scores[k], rows[i].Score[k], 1e-6f, $"row {i}, {options}");
                Assert.AreEqual(alone.Index + 1, (int)rows[i].PredictedLabel);
            }

            CollectionAssert.AreEqual(rows[5].Score, rows[6].Score);
        }
    }

    [TestMethod]
    public void The_rule_for_long_texts_is_the_models_and_the_column_tells_of_it()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b"], Truncation = TextTruncation.Tail }), GptDevice.Cpu);
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "xyz" + new string('a', 14) }, new Row { Text = new string('a', 14) }]);
        Dropped[] read = [.. Ml.Data.CreateEnumerable<Dropped>(Ml.Gpt().Transforms.ClassifyText("Score", "Text", model, new() { DroppedTokenCountColumnName = "Cut" }).Fit(rows).Transform(rows), reuseRowObject: false)];
        // 16 positions: Start, 14 letters, Extract.
        Assert.AreEqual("3 0", string.Join(' ', read.Select(static row => row.Cut)));
        CollectionAssert.AreEqual(read[1].Score, read[0].Score);
    }

    [TestMethod]
    public void Only_what_is_asked_for_is_computed()
    {
        using var folder = new TemporaryFolder();
        GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Select(static text => new Row { Text = text }));
        IDataView view = Ml.Gpt().Transforms.ClassifyText("Score", "Text", model).Fit(rows).Transform(rows);
        model.Dispose();
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema["Text"]]);
        while (cursor.MoveNext())
        {
            // Reading the text alone runs no model: this one is disposed.
        }

        Assert.ThrowsExactly<ObjectDisposedException>(() => Ml.Data.CreateEnumerable<Scored>(view, reuseRowObject: false).First());
    }

    [TestMethod]
    public void A_saved_classifier_loads_with_its_labels_and_columns()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Select(static text => new Row { Text = text }));
        var options = new ClassifyTextOptions { BatchSize = 3, MaxBatchTokens = 40, PredictedLabelColumnName = "Colour", DroppedTokenCountColumnName = "Cut" };
        ClassifyTextTransformer saved = Ml.Gpt().Transforms.ClassifyText("P", "Text", model, options).Fit(rows);
        Ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        var loaded = (ClassifyTextTransformer)Ml.Model.Load(folder["model.zip"], out _);
        Assert.AreEqual(options, loaded.Options);
        CollectionAssert.AreEqual(new[] { "P", "Colour", "Cut" }, loaded.OutputColumnNames.ToArray());
        VBuffer<ReadOnlyMemory<char>> names = default;
        loaded.GetOutputSchema(rows.Schema)["Colour"].Annotations.GetValue("KeyValues", ref names);
        CollectionAssert.AreEqual(new[] { "red", "green", "blue" }, names.DenseValues().Select(static name => name.ToString()).ToArray());

        // ML.NET's own scorers write the same beside the scores.
        foreach (string kind in (string[])["SlotNames", "TrainingLabelValues"])
        {
            loaded.GetOutputSchema(rows.Schema)["P"].Annotations.GetValue(kind, ref names);
            CollectionAssert.AreEqual(new[] { "red", "green", "blue" }, names.DenseValues().Select(static name => name.ToString()).ToArray(), kind);
        }

        foreach ((string column, string expected) in ((string, string)[])[("P", "MulticlassClassification Score"), ("Colour", "MulticlassClassification PredictedLabel")])
        {
            ReadOnlyMemory<char> kind = default, valueKind = default;
            loaded.GetOutputSchema(rows.Schema)[column].Annotations.GetValue("ScoreColumnKind", ref kind);
            loaded.GetOutputSchema(rows.Schema)[column].Annotations.GetValue("ScoreValueKind", ref valueKind);
            Assert.AreEqual(expected, $"{kind} {valueKind}");
        }

        loaded.Dispose();
    }

    [TestMethod]
    public void Score_sets_of_two_classifiers_have_numbers_of_their_own()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Select(static text => new Row { Text = text }));
        DataViewSchema schema = Ml.Gpt().Transforms.ClassifyText("First", "Text", model, new() { PredictedLabelColumnName = "A" })
            .Append(Ml.Gpt().Transforms.ClassifyText("Second", "Text", model, new() { PredictedLabelColumnName = "B" })).Fit(rows).Transform(rows).Schema;
        uint[] sets = [.. ((string[])["First", "A", "Second", "B"]).Select(name =>
        {
            uint set = 0;
            schema[name].Annotations.GetValue("ScoreColumnSetId", ref set);
            return set;
        })];
        CollectionAssert.AreEqual(new uint[] { 1, 1, 2, 2 }, sets);

        // Behind columns of a higher number that do not stand last, too.
        var builder = new DataViewSchema.Builder();
        foreach (uint number in (uint[])[7, 2])
        {
            var annotations = new DataViewSchema.Annotations.Builder();
            annotations.AddPrimitiveValue("ScoreColumnSetId", new KeyDataViewType(typeof(uint), int.MaxValue), number);
            builder.AddColumn($"Set{number}", NumberDataViewType.Single, annotations.ToAnnotations());
        }

        builder.AddColumn("Text", TextDataViewType.Instance);
        uint next = 0;
        new ClassifyTextTransformer("Score", ["Text"], null, model, new ClassifyTextOptions()).GetOutputSchema(builder.ToSchema())["Score"].Annotations.GetValue("ScoreColumnSetId", ref next);
        Assert.AreEqual(8u, next);
    }

    [TestMethod]
    public void Columns_that_do_not_fit_the_task_are_refused()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Transforms.ClassifyText("Score", ["Text", "Other"], model));
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Transforms.ClassifyText("Same", "Text", model, new() { PredictedLabelColumnName = "Same" }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Ml.Gpt().Transforms.ClassifyText("Score", "Text", model, new() { MaxBatchTokens = 0 }));
        IDataView rows = Ml.Data.LoadFromEnumerable([new Dropped { Cut = 1 }]);
        Assert.AreEqual("Cut", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Transforms.ClassifyText("Score", "Cut", model).Fit(rows)).ColumnName);
        Assert.ThrowsExactly<ArgumentException>(() => model.Classify("one", "two"));
    }

    [TestMethod]
    public void Post_norm_and_banded_models_run_as_graphs_too()
    {
        var config = new GptConfig { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 };
        foreach (GptConfig form in (GptConfig[])[config with { BlockForm = GptBlockForm.PostNorm }, config with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 }])
        {
            using var folder = new TemporaryFolder();
            using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder, config: form), GptDevice.Cpu);
            Assert.AreEqual(form, model.Config);
            Assert.AreEqual(1, model.Classify("abcdefgh").Scores.Sum(), 1e-5f);
        }
    }

    [TestMethod]
    public void A_wrong_tokenizer_and_a_torn_package_are_refused()
    {
        using var folder = new TemporaryFolder();
        string path = TestModels.WriteClassifier(folder);
        GptTokenizer.FromCharacters(["abc"]).Save(path);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => GptClassifier.FromOnnx(path, GptDevice.Cpu));
        File.WriteAllText(Path.Combine(path, "config.json"), ClassifierConfigJson.Write(
            new GptConfig { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 },
            new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c", "d"] }));
        Assert.Contains("(-1, 4)", Assert.ThrowsExactly<CorruptFileException>(() => GptClassifier.FromOnnx(path, GptDevice.Cpu)).Message);
    }

    private static Scored[] Read(GptClassifier model, ClassifyTextOptions options)
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Select(static text => new Row { Text = text }));
        return [.. Ml.Data.CreateEnumerable<Scored>(Ml.Gpt().Transforms.ClassifyText("Score", "Text", model, options).Fit(rows).Transform(rows), reuseRowObject: false)];
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];

        public uint PredictedLabel { get; set; }
    }

    private sealed class Dropped
    {
        public float[] Score { get; set; } = [];

        public int Cut { get; set; }
    }
}

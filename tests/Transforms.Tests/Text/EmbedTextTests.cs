using Microsoft.Extensions.AI;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using System.Text.Json;

namespace MLNet.Gpt.Transforms.Tests.Text;

[TestClass]
public sealed class EmbedTextTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Embedded
    {
        public string Text { get; set; } = "";

        public float[] Vector { get; set; } = [];

        public int Count { get; set; }

        public int Dropped { get; set; }
    }

    private static (string Text, float[] Mean, float[] Last)[] Reference { get; } =
        [.. TextScores.Root.GetProperty("embeddings").EnumerateArray().Select(one => (one.GetProperty("text").GetString()!, one.GetProperty("mean").Floats(), one.GetProperty("last").Floats()))];

    private IDataView Data(params string[] texts) => _ml.Data.LoadFromEnumerable(texts.Select(text => new Embedded { Text = text }));

    [TestMethod]
    public void Vectors_are_those_of_an_independent_implementation_in_a_batch_of_unequal_texts()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        string[] texts = [.. Reference.Select(one => one.Text)];
        foreach (EmbeddingPooling pooling in Enum.GetValues<EmbeddingPooling>())
        {
            IReadOnlyList<SequenceEmbedding> plain = model.Embed(texts, new() { Pooling = pooling, Normalize = false });
            IReadOnlyList<SequenceEmbedding> unit = model.Embed(texts, new() { Pooling = pooling });
            for (int i = 0; i < texts.Length; i++)
            {
                float[] expected = pooling == EmbeddingPooling.Mean ? Reference[i].Mean : Reference[i].Last;
                double norm = Math.Sqrt(expected.Sum(x => (double)x * x));
                TextScores.AreClose([.. expected.Select(x => (double)x)], plain[i].Vector.Select(x => (double)x), $"{pooling} of '{texts[i]}'");
                TextScores.AreClose([.. expected.Select(x => x / norm)], unit[i].Vector.Select(x => (double)x), $"normalised {pooling} of '{texts[i]}'");
                Assert.AreEqual((Math.Max(1, texts[i].Length), 0), (plain[i].TokenCount, plain[i].DroppedTokenCount));
            }
        }
    }

    [TestMethod]
    public void A_text_column_becomes_a_vector_column_of_known_size_also_after_saving_and_loading()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        string longText = new('a', 60); // the context has 48 positions
        IDataView data = Data("hello world", "", longText);
        var options = new EmbedTextOptions { Pooling = EmbeddingPooling.LastToken, TokenCountColumnName = "Count", DroppedTokenCountColumnName = "Dropped", BatchSize = 2, Truncation = TextTruncation.Tail };
        EmbedTextTransformer transformer = _ml.Gpt().Transforms.EmbedText("Vector", "Text", model, options).Fit(data);
        IDataView embedded = transformer.Transform(data);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 24), embedded.Schema["Vector"].Type);
        Embedded[] rows = Read(embedded);
        CollectionAssert.AreEqual(new[] { (11, 0), (1, 0), (48, 12) }, rows.Select(row => (row.Count, row.Dropped)).ToArray());
        foreach (Embedded row in rows) Assert.AreEqual(1, row.Vector.Sum(x => (double)x * x), 1e-5);

        _ml.Model.Save(transformer, data.Schema, folder["model.zip"]);
        using var loaded = (EmbedTextTransformer)_ml.Model.Load(folder["model.zip"], out _);
        Assert.AreEqual(options, loaded.Options);
        Embedded[] again = Read(loaded.Transform(data));
        for (int i = 0; i < rows.Length; i++) TextScores.AreClose([.. rows[i].Vector.Select(x => (double)x)], again[i].Vector.Select(x => (double)x), rows[i].Text);

        Embedded[] Read(IDataView view) => [.. _ml.Data.CreateEnumerable<Embedded>(view, reuseRowObject: false)];
    }

    [TestMethod]
    [DataRow(TextTruncation.Head)]
    [DataRow(TextTruncation.Tail)]
    [DataRow(TextTruncation.HeadAndTail)]
    public void What_does_not_fit_is_cut_by_the_rule_that_was_asked_for(TextTruncation rule)
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        string text = new string('a', 25) + new string('b', 25) + new string('c', 25); // 75 tokens, 48 fit
        string kept = rule switch { TextTruncation.Head => text[..48], TextTruncation.Tail => text[^48..], _ => text[..24] + text[^24..] };
        SequenceEmbedding found = model.Embed([text], new() { Truncation = rule })[0], expected = model.Embed([kept])[0];
        Assert.AreEqual((48, 27), (found.TokenCount, found.DroppedTokenCount));
        CollectionAssert.AreEqual(expected.Vector, found.Vector);
        Assert.AreEqual(75, Assert.ThrowsExactly<PromptTooLongException>(() => model.Embed([text], new() { Truncation = null })).TokenCount);
    }

    [TestMethod]
    public async Task An_embedding_generator_gives_the_same_vectors_and_refuses_what_it_does_not_do()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        using IEmbeddingGenerator<string, Embedding<float>> generator = model.AsEmbeddingGenerator(new() { Normalize = false }, "letters");
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(["hello world", "a"]);
        CollectionAssert.AreEqual(model.Embed(["hello world"], new() { Normalize = false })[0].Vector, embeddings[0].Vector.ToArray());
        Assert.AreEqual((12L, "letters"), (embeddings.Usage!.InputTokenCount!.Value, embeddings[1].ModelId));
        Assert.AreEqual(24, generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
        Assert.AreSame(model, generator.GetService<GptModel>());
        var exception = await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => generator.GenerateAsync(["a"], new() { Dimensions = 8 }));
        Assert.AreEqual("Dimensions", exception.Option);
        Assert.AreEqual("ModelId", (await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => generator.GenerateAsync(["a"], new() { ModelId = "other" }))).Option);
    }

    [TestMethod]
    public void A_package_of_another_exporter_says_what_it_lacks()
    {
        using Engine.TestPackage foreign = Engine.TestPackage.Foreign();
        using OnnxCausalModel engine = foreign.Load();
        var exception = Assert.ThrowsExactly<HiddenStatesUnavailableException>(() => engine.ComputeHiddenStates([1, 2], 1, new float[2 * engine.Config.EmbeddingSize]));
        Assert.Contains("last_hidden_state", exception.Message);
        using GptModel model = TestModels.Saying(_ => "", out _);
        Assert.ThrowsExactly<HiddenStatesUnavailableException>(() => model.Embed(["a"]));
    }
}

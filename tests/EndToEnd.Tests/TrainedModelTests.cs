using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace MLNet.Gpt.EndToEnd.Tests;

[TestClass]
public sealed class TrainedModelTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly TemporaryFolder Folder = new();
    private static GptLanguageModelTransformer trained = null!;
    private static GptModel deployed = null!;

    [ClassInitialize]
    public static void TrainOnce(TestContext context)
    {
        trained = SmallModel.Train(Ml, SmallModel.Options with { Run = SmallModel.Options.Run with { Folder = Folder["run"] } });
        trained.Model.ExportOnnx(Folder["onnx"]);
        deployed = GptModel.FromOnnx(Folder["onnx"], GptDevice.Cpu);
    }

    [ClassCleanup]
    public static void Clean()
    {
        deployed.Dispose();
        trained.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void Training_on_real_rows_lowers_the_validation_loss()
    {
        Assert.IsLessThan(Math.Log(trained.Model.Config.VocabularySize) - 2, trained.Training.BestValidationLoss!.Value);
        foreach (string file in (string[])["corpus/train.tokens", "corpus/validation.tokens", "metrics.jsonl", "loss.svg", "checkpoints/best/model.safetensors"])
            Assert.IsTrue(File.Exists(Path.Combine(Folder["run"], file)), file);
        Assert.IsTrue(File.Exists(Path.Combine(RunCheckpoints.FindLast(Folder["run"])!, "training_state", "state.json")));
    }

    [TestMethod]
    public void A_model_opened_again_from_its_checkpoint_or_package_writes_what_it_wrote_before_without_any_options()
    {
        trained.Model.SaveCheckpoint(Folder["saved"]);
        using GptModel saved = GptModel.FromCheckpoint(Folder["saved"], GptDevice.Cpu), run = GptModel.FromCheckpoint(Path.Combine(Folder["run"], "checkpoints", "best"), GptDevice.Cpu);
        OnnxExporter.Export(Folder["saved"], Folder["exported"]);
        using GptModel exported = GptModel.FromOnnx(Folder["exported"], GptDevice.Cpu);
        string expected = trained.Model.Generate("the cat");
        Assert.AreNotEqual(expected, trained.Model.Generate("the cat", new() { Temperature = 0 })); // drawn, not the most likely
        foreach (GptModel again in (GptModel[])[saved, run, deployed, exported]) Assert.AreEqual(expected, again.Generate("the cat"));
    }

    [TestMethod]
    public void On_both_engines_a_constraint_holds_whatever_the_model_finds_likely()
    {
        // One of some words and then the end, drawn so flat that the model alone would write anything.
        string[] words = ["yes", "no", "perhaps", "not at all"];
        var constraint = new OneOf([.. words.Select(word => trained.Model.Tokenizer.Encode(word))], trained.Model.Tokenizer.EndOfTextId);
        var options = new GenerateTextOptions { Temperature = 3, SamplesPerPrompt = 40, MaxNewTokens = 20, Seed = 3 };
        string[] first = Texts(trained.Model), second = Texts(deployed);
        CollectionAssert.AreEqual(first, second);
        foreach (string text in first) Assert.Contains(text, words);
        CollectionAssert.AreEquivalent(words, first.Distinct().ToArray(), "80 draws find all four");

        string[] Texts(GptModel model)
        {
            IReadOnlyList<GeneratedText> all = model.GenerateConstrained(["the cat", "a dog, they say"], constraint, options);
            Assert.IsTrue(all.All(static text => text.FinishReason == FinishReason.StopToken));
            return [.. all.Select(static text => text.Text)];
        }
    }

    [TestMethod]
    public void Both_engines_give_the_same_logits()
    {
        foreach (string text in (string[])["the cat sees the river, number 7.", "a", "my friend Zoë likes 日本 and 🎈"])
        {
            int[] tokens = trained.Model.Tokenizer.Encode(text);
            float[] torch = Logits(trained.Model.Engine, tokens), onnx = Logits(deployed.Engine, tokens);
            for (int i = 0; i < torch.Length; i++) Assert.AreEqual(torch[i], onnx[i], 1e-4f, $"'{text}', logit {i}");
        }
    }

    [TestMethod]
    public void Both_engines_give_the_same_embeddings_and_answers()
    {
        string[] texts = ["the cat sees the river, number 7.", "", "a", "my friend Zoë likes 日本 and 🎈"];
        foreach (EmbeddingPooling pooling in Enum.GetValues<EmbeddingPooling>())
        {
            IReadOnlyList<SequenceEmbedding> torch = trained.Model.Embed(texts, new() { Pooling = pooling, Normalize = false }), onnx = deployed.Embed(texts, new() { Pooling = pooling, Normalize = false });
            for (int i = 0; i < texts.Length; i++)
            {
                for (int c = 0; c < torch[i].Vector.Length; c++) Assert.AreEqual(torch[i].Vector[c], onnx[i].Vector[c], 1e-4f, $"{pooling} of '{texts[i]}', {c}");
            }
        }

        IReadOnlyList<string>[] choices = [.. texts.Select(_ => new[] { "river", "a bird", "seven" })];
        foreach ((ChoiceScores torch, ChoiceScores onnx) in trained.Model.ScoreChoices(texts, choices).Zip(deployed.ScoreChoices(texts, choices)))
        {
            for (int c = 0; c < 3; c++) Assert.AreEqual(torch.LogLikelihoods[c], onnx.LogLikelihoods[c], 1e-3);
        }
    }

    [TestMethod]
    public void Both_engines_write_the_same_text_for_a_batch_of_unequal_prompts()
    {
        string[] prompts = ["the", "my friend Zoë likes", "every bird", "a small dog follows two green"];
        foreach (GenerateTextOptions options in (GenerateTextOptions[])[new() { MaxNewTokens = 20, Temperature = 0 }, new() { MaxNewTokens = 20, Temperature = 0.9f, TopP = 0.95f, Seed = 3 }])
        {
            string[] torch = [.. trained.Model.Generate(prompts, options).Select(static t => t.Text)], onnx = [.. deployed.Generate(prompts, options).Select(static t => t.Text)];
            CollectionAssert.AreEqual(torch, onnx);
            for (int i = 0; i < prompts.Length; i++) Assert.AreEqual(torch[i], deployed.Generate(prompts[i], options), "alone as in the batch");
        }
    }

    [TestMethod]
    public void The_checkpoint_gives_back_the_model()
    {
        using GptModel best = GptModel.FromCheckpoint(Path.Combine(Folder["run"], "checkpoints", "best"), GptDevice.Cpu);
        int[] tokens = best.Tokenizer.Encode("every bird remembers");
        CollectionAssert.AreEqual(Logits(trained.Model.Engine, tokens), Logits(best.Engine, tokens));
        best.SaveCheckpoint(Folder["again"]);
        using GptModel again = GptModel.FromCheckpoint(Folder["again"], GptDevice.Cpu);
        CollectionAssert.AreEqual(Logits(best.Engine, tokens), Logits(again.Engine, tokens));
        Assert.ThrowsExactly<NotSupportedException>(() => deployed.SaveCheckpoint(Folder["never"]));
    }

    [TestMethod]
    public void A_chain_fitted_over_TorchSharp_saves_as_ONNX_and_loads_as_ONNX_Runtime()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Sentences(5));
        var pipeline = Ml.Transforms.CopyColumns("Prompt", "Text")
            .Append(Ml.Gpt().Transforms.GenerateText("Answer", "Prompt", trained.Model, new() { MaxNewTokens = 8, Temperature = 0 }))
            .Append(Ml.Gpt().Transforms.ScoreText("LogLikelihood", "Text", trained.Model));
        ITransformer fitted = pipeline.Fit(rows);
        string zip = Folder["torch.zip"];
        Ml.Model.Save(fitted, rows.Schema, zip);
        ITransformer loaded = new MLContext().Model.Load(zip, out DataViewSchema schema);
        Assert.AreEqual("Text", schema[0].Name);
        List<Written> before = Read(fitted), after = Read(loaded);
        CollectionAssert.AreEqual(before.Select(static r => r.Answer).ToArray(), after.Select(static r => r.Answer).ToArray());
        for (int i = 0; i < before.Count; i++) Assert.AreEqual(before[i].LogLikelihood, after[i].LogLikelihood, 1e-3f);
        ScoreTextTransformer scoring = ((TransformerChain<ITransformer>)loaded).OfType<ScoreTextTransformer>().Single();
        Assert.IsInstanceOfType<OnnxCausalModel>(scoring.Model.Engine);
        ((IDisposable)loaded).Dispose();

        List<Written> Read(ITransformer transformer) => [.. Ml.Data.CreateEnumerable<Written>(transformer.Transform(rows), reuseRowObject: false)];
    }

    [TestMethod]
    public void The_trained_transformer_scores_rows_saves_and_loads_as_a_scorer()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable([new TextRow { Text = "the cat sees the river, number 3." }, new TextRow { Text = "river the the 3 sees . number, cat" }]);
        List<Scored> scored = [.. Ml.Data.CreateEnumerable<Scored>(trained.Transform(rows), reuseRowObject: false)];
        Assert.IsLessThan(scored[1].Perplexity, scored[0].Perplexity, "a sentence of the grammar is less surprising than its words in disorder");
        string zip = Folder["scorer.zip"];
        Ml.Model.Save(trained, rows.Schema, zip);
        ITransformer loaded = Ml.Model.Load(zip, out _);
        List<Scored> again = [.. Ml.Data.CreateEnumerable<Scored>(loaded.Transform(rows), reuseRowObject: false)];
        for (int i = 0; i < 2; i++) Assert.AreEqual(scored[i].LogLikelihood, again[i].LogLikelihood, 1e-3f);
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void Two_hundred_generations_leave_no_memory_behind()
    {
        foreach (GptModel model in (GptModel[])[trained.Model, deployed])
        {
            Generate(model, 50);   // code compiled, arenas and pools filled
            long tensors = Tensor.TotalCount, memory = Environment.WorkingSet;
            Generate(model, 200);
            Assert.AreEqual(tensors, Tensor.TotalCount);
            // A key/value cache kept by each call would be 2 layers × 2 × 24 positions × 48 floats × 4 bytes × 200 = 3.7 MB, and a logits buffer a call 20 MB with its step copies.
            Assert.IsLessThan(20e6, Environment.WorkingSet - memory, model.Engine.GetType().Name);
        }

        static void Generate(GptModel model, int count)
        {
            for (int i = 0; i < count; i++) model.Generate($"the cat {i}", new() { MaxNewTokens = 16, MinNewTokens = 16, Temperature = 0 });
            GC.Collect();
        }
    }

    [TestMethod]
    public void The_estimator_announces_the_columns_that_its_transformer_adds()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Sentences(2));
        var input = new SchemaShape([ShapeColumn("Text", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, false, null)]);
        string[] announced = [.. Ml.Gpt().Trainers.LanguageModel("Text", SmallModel.Options).GetOutputSchema(input).Select(static c => c.Name)];
        CollectionAssert.AreEqual(trained.GetOutputSchema(rows.Schema).Select(static c => c.Name).ToArray(), announced);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern SchemaShape.Column ShapeColumn(string name, SchemaShape.Column.VectorKind vecKind, DataViewType itemType, bool isKey, SchemaShape? annotations);

    private static float[] Logits(ICausalModel engine, int[] tokens)
    {
        var logits = new float[tokens.Length * engine.Config.VocabularySize];
        using ICausalDecoder decoder = engine.BeginDecoding(1, tokens.Length);
        decoder.Append(tokens, [], LogitsScope.AllPositions, logits);
        return logits;
    }

    private sealed class Written
    {
        public string Answer { get; set; } = "";

        public float LogLikelihood { get; set; }
    }

    private sealed class Scored
    {
        public float LogLikelihood { get; set; }

        public float Perplexity { get; set; }
    }
}

using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class SaveAndLoadTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)] // the weights beside the graph
    public void A_loaded_chain_predicts_what_the_saved_one_did(bool dataFile)
    {
        using var saved = new SavedPipeline(dataFile);
        Assert.IsTrue(saved.Answers.Select(answer => answer.Reply).Distinct().Count() > 3, "The replies must differ, or the comparison shows little.");
        ITransformer loaded = new MLContext().Model.Load(saved.ZipPath, out var schema);
        using var disposal = (IDisposable)loaded;
        Assert.AreEqual("Text", schema.Single().Name);
        SavedPipeline.AssertSame(saved.Answers, saved.Read(loaded));
        using (PredictionEngine<LoadApp.Question, LoadApp.Answer> engine = saved.Ml.Model.CreatePredictionEngine<LoadApp.Question, LoadApp.Answer>(loaded))
            SavedPipeline.AssertSame(saved.Answers, [.. SavedPipeline.Prompts.Select(text => engine.Predict(new LoadApp.Question { Text = text }))]);
    }

    [TestMethod]
    public void A_loaded_chain_can_be_saved_again()
    {
        using var saved = new SavedPipeline();
        ITransformer first = saved.Ml.Model.Load(saved.ZipPath, out var schema);
        saved.Ml.Model.Save(first, schema, saved.PathOf("again.zip"));
        ((IDisposable)first).Dispose();
        ITransformer second = saved.Ml.Model.Load(saved.PathOf("again.zip"), out _);
        using var disposal = (IDisposable)second;
        SavedPipeline.AssertSame(saved.Answers, saved.Read(second));
    }

    [TestMethod]
    public void A_package_whose_weights_have_Optimums_name_is_exported_and_saved()
    {
        using var saved = new SavedPipeline(dataFile: true, weightsFile: "model.onnx_data");
        SavedPipeline.AssertSame(saved.Answers, Loaded(saved, saved.ZipPath));
        saved.Model.ExportOnnx(saved.PathOf("exported"));
        Assert.IsTrue(File.Exists(saved.PathOf("exported/model.onnx_data")));
        using GptModel exported = GptModel.FromOnnx(saved.PathOf("exported"));
        Assert.AreEqual(saved.Model.Generate("abc", SavedPipeline.Generation), exported.Generate("abc", SavedPipeline.Generation));
        exported.ExportOnnx(saved.PathOf("exported")); // over itself

        static LoadApp.Answer[] Loaded(SavedPipeline saved, string zip)
        {
            ITransformer chain = saved.Ml.Model.Load(zip, out _);
            using var disposal = (IDisposable)chain;
            return saved.Read(chain);
        }
    }

    [TestMethod]
    public void Weights_in_a_file_that_no_package_has_are_named_before_anything_is_written()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.RenameWeights(TestModels.WritePackage(folder, dataFile: true), "my_weights.data"));
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable([new LoadApp.Question { Text = "abc" }]);
        ITransformer generate = ml.Gpt().Transforms.GenerateText("Reply", "Text", model).Fit(data);
        foreach (Action write in (Action[])[() => model.ExportOnnx(folder["exported"]), () => ml.Model.Save(generate, data.Schema, folder["model.zip"])])
        {
            var error = Assert.ThrowsExactly<OnnxExportUnavailableException>(write);
            StringAssert.Contains(error.Message, "'my_weights.data'");
        }

        Assert.IsFalse(Directory.Exists(folder["exported"]));
    }

    [TestMethod]
    public void Every_option_comes_back()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder, adaptable: LoraProjections.AttentionIn);
        (ChatTemplate.Default with { SystemMarker = null, UserMarker = "u", AssistantMarker = "a" }).Save(package);
        using GptModel model = GptModel.FromOnnx(package);
        LoraCheckpoint.Write(folder["adapter"], model.Config, new LoraOptions { Rank = 2 }, static (_, values) => values.AsSpan().Fill(0.1f));
        model.LoadAdapter("narrow", folder["adapter"]);
        var generation = new GenerateTextOptions
        {
            MaxNewTokens = 7, MinNewTokens = 2, Temperature = 0.1f, TopK = 3, TopP = 0.7f, RepetitionPenalty = 1.3f, StopStrings = ["a b", "é\n"], StopTokenIds = [4, 5],
            StopAtEndOfText = false, Seed = -9, BatchSize = 3, PromptOverflow = PromptOverflow.KeepTail, SpecialTokens = SpecialTokenHandling.AsText,
            FinishReasonColumnName = "Reason", TokenCountColumnName = "Count", PromptForm = PromptForm.Conversation, SkipSpecialTokens = true, Constraint = TextConstraint.Choice("a b", "c"),
            MinP = 0.1f, TypicalP = 0.9f, NoRepeatNgramSize = 3, PresencePenalty = 0.5f, FrequencyPenalty = -0.25f, LogitBias = new Dictionary<int, float> { [3] = 1.5f, [1] = -2 }, TopLogProbabilities = 2,
            LogProbabilitiesColumnName = "Log", PromptLookupTokens = 4, Adapter = "narrow",
        };
        var embedding = new EmbedTextOptions
        {
            Pooling = EmbeddingPooling.LastToken, Normalize = false, Truncation = TextTruncation.HeadAndTail, BatchSize = 3, SpecialTokens = SpecialTokenHandling.Recognize,
            TokenCountColumnName = "N", DroppedTokenCountColumnName = "D", Adapter = "narrow",
        };
        var choosing = new ScoreChoicesOptions
        {
            Choices = ["a", "b c"], Separator = "", Normalization = ChoiceNormalization.Unconditional, AnswerContext = "so ", SpecialTokens = SpecialTokenHandling.AsText,
            ScoreColumnName = "S", LogLikelihoodColumnName = "L", PredictedIndexColumnName = "I", BatchSize = 2, Overflow = PromptOverflow.Error, MaxLogitBytes = 99, Adapter = "narrow",
        };
        var scoring = new ScoreTextOptions { BatchSize = 2, Overflow = PromptOverflow.KeepTail, MaxLogitBytes = 12_345, SpecialTokens = SpecialTokenHandling.AsText, PerplexityColumnName = null, TokenCountColumnName = "N", Adapter = "narrow" };
        AssertComesBack(new GenerateTextTransformer("Out", "In", model, generation), generation, loaded => loaded.Options, nameof(GenerationOptions.SamplesPerPrompt), nameof(GenerationOptions.BeamCount), nameof(GenerationOptions.LengthPenalty));
        GenerateTextOptions beams = generation with { Temperature = 0, BeamCount = 4, LengthPenalty = 0.5f, PromptLookupTokens = 0 };
        AssertComesBack(new GenerateTextTransformer("Out", "In", model, beams), beams, loaded => loaded.Options, nameof(GenerationOptions.SamplesPerPrompt), nameof(GenerationOptions.PromptLookupTokens));
        AssertComesBack(new ScoreTextTransformer("Out", "In", model, scoring), scoring, loaded => loaded.Options);
        AssertComesBack(new EmbedTextTransformer("Out", "In", model, embedding), embedding, loaded => loaded.Options);
        AssertComesBack(new ScoreChoicesTransformer("Out", "In", model, choosing), choosing, loaded => loaded.Options, nameof(ScoreChoicesOptions.ChoicesColumnName));
        AssertComesBack(new TokenizeTextTransformer("Out", "In", model.Tokenizer, new() { SpecialTokens = SpecialTokenHandling.AsText }), new TokenizeTextOptions { SpecialTokens = SpecialTokenHandling.AsText }, loaded => loaded.Options);

        void AssertComesBack<TTransformer, TOptions>(TTransformer transformer, TOptions options, Func<TTransformer, TOptions> optionsOf, params string[] except)
            where TTransformer : GptTextTransformer
            where TOptions : new()
        {
            var ml = new MLContext();
            ml.Model.Save(transformer, null, folder["one.zip"]);
            using var loaded = (TTransformer)ml.Model.Load(folder["one.zip"], out _);
            Assert.AreEqual("In", loaded.InputColumnName);
            CollectionAssert.AreEqual(transformer.OutputColumnNames.ToArray(), loaded.OutputColumnNames.ToArray());
            var defaults = new TOptions();
            foreach (var property in typeof(TOptions).GetProperties().Where(p => p.CanWrite && p.PropertyType != typeof(CancellationToken)))
            {
                string expected = Show(property.GetValue(options)), found = Show(property.GetValue(optionsOf(loaded)));
                Assert.AreEqual(expected, found, property.Name);
                if (!except.Contains(property.Name)) Assert.AreNotEqual(Show(property.GetValue(defaults)), found, $"The test leaves {property.Name} at its default.");
            }
        }

        static string Show(object? value) => value switch
        {
            null => "null",
            string text => text,
            System.Collections.IEnumerable list => string.Join("|", list.Cast<object>()),
            _ => value.ToString()!,
        };
    }

    [TestMethod]
    public void Transformers_over_one_model_share_it_and_its_files_go_with_the_last()
    {
        using var saved = new SavedPipeline();
        string temporary = saved.PathOf("temporary");
        var ml = new MLContext { TempFilePath = temporary };
        Directory.CreateDirectory(temporary);
        ITransformer first = ml.Model.Load(saved.ZipPath, out _), second = ml.Model.Load(saved.ZipPath, out _);
        GptModel[] models = [.. Transformers(first).Concat(Transformers(second)).Select(transformer => transformer switch
        {
            GenerateTextTransformer generate => generate.Model,
            ScoreTextTransformer score => score.Model,
            _ => null,
        }).OfType<GptModel>()];
        Assert.HasCount(4, models);
        Assert.HasCount(1, models.Distinct().ToArray());
        Assert.HasCount(1, OurFolders(temporary));
        if (!OperatingSystem.IsWindows())
            Assert.AreEqual(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(OurFolders(temporary)[0]));

        // What has been disposed is, also while another transformer keeps the model in memory: its own columns and those of views that it has made.
        IDataView before = first.Transform(saved.Data(SavedPipeline.Prompts));
        ((IDisposable)first).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => saved.Read(first));
        Assert.ThrowsExactly<ObjectDisposedException>(() => first.GetOutputSchema(saved.Data().Schema));
        Assert.ThrowsExactly<ObjectDisposedException>(() => before.GetColumn<string>("Reply").ToArray());
        Assert.ThrowsExactly<ObjectDisposedException>(() => before.GetColumn<float>("LogLikelihood").ToArray());
        Assert.ThrowsExactly<ObjectDisposedException>(() => ml.Model.Save(first, saved.Data().Schema, saved.PathOf("late.zip")));
        SavedPipeline.AssertSame(saved.Answers, saved.Read(second));
        ((IDisposable)second).Dispose();
        ((IDisposable)second).Dispose();
        Assert.HasCount(0, OurFolders(temporary));
        Assert.ThrowsExactly<ObjectDisposedException>(() => saved.Read(second));
    }

    [TestMethod]
    public void A_chain_that_nobody_disposed_is_collected_with_its_files()
    {
        using var saved = new SavedPipeline();
        string temporary = saved.PathOf("temporary");
        Directory.CreateDirectory(temporary);
        LoadAndForget(saved, temporary);
        for (int i = 0; i < 20 && OurFolders(temporary).Length > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.HasCount(0, OurFolders(temporary));
        ITransformer loaded = new MLContext().Model.Load(saved.ZipPath, out _);
        using var disposal = (IDisposable)loaded;
        SavedPipeline.AssertSame(saved.Answers, saved.Read(loaded));
    }

    [TestMethod]
    public void A_chain_over_another_engine_loads_on_onnx_runtime()
    {
        using var folder = new TemporaryFolder();
        using var onnx = GptModel.FromOnnx(TestModels.WritePackage(folder));
        using var model = new GptModel(new OtherEngine(onnx.Engine), TestModels.Letters);
        var ml = new MLContext();
        var transformer = new GenerateTextTransformer("Reply", "Text", model, SavedPipeline.Generation);
        ml.Model.Save(transformer, null, folder["other.zip"]);
        using var loaded = (GenerateTextTransformer)ml.Model.Load(folder["other.zip"], out _);
        Assert.IsInstanceOfType<OnnxCausalModel>(loaded.Model.Engine);
        Assert.AreEqual(model.Generate("abc", SavedPipeline.Generation), loaded.Model.Generate("abc", SavedPipeline.Generation));
    }

    [TestMethod]
    public void A_model_whose_engine_writes_no_package_is_refused_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TestModels.Saying(static _ => "a", out HistoryModel engine);
        Assert.IsNotInstanceOfType<IOnnxExportable>(engine);
        var exception = Assert.ThrowsExactly<OnnxExportUnavailableException>(() => model.ExportOnnx(folder["package"]));
        Assert.AreEqual(typeof(HistoryModel), exception.Engine);
        Assert.Contains("HistoryModel", exception.Message);
        Assert.Contains("IOnnxExportable", exception.Message);
        Assert.IsFalse(Directory.Exists(folder["package"]));
        var ml = new MLContext();
        GenerateTextTransformer transformer = ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(ml.Data.LoadFromEnumerable(new[] { new { Text = "a" } }));
        Assert.ThrowsExactly<OnnxExportUnavailableException>(() => ml.Model.Save(transformer, null, folder["model.zip"]));
    }

    [TestMethod]
    public void A_classifier_whose_engine_writes_no_package_is_refused_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        using var classifier = new GptClassifier(new OtherClassifier(), TestModels.Letters);
        Assert.AreEqual(typeof(OtherClassifier), Assert.ThrowsExactly<OnnxExportUnavailableException>(() => classifier.ExportOnnx(folder["package"])).Engine);
        Assert.IsFalse(Directory.Exists(folder["package"]));
        Assert.AreEqual(1, classifier.Classify("abc").Scores.Count(static score => score > 0.5f));
    }

    [TestMethod]
    public void A_gpu_that_is_not_there_is_an_error_or_the_cpu()
    {
        using var saved = new SavedPipeline();
        var ml = new MLContext { GpuDeviceId = 999, FallbackToCpu = false };
        Exception exception = Assert.Throws<Exception>(() => ml.Model.Load(saved.ZipPath, out _));
        Assert.AreEqual(GptDevice.Cuda(999), Cause<DeviceUnavailableException>(exception).Device);

        List<string> log = [];
        ml = new MLContext { GpuDeviceId = 999, FallbackToCpu = true };
        ml.Log += (_, message) => log.Add(message.Message);
        ITransformer loaded = ml.Model.Load(saved.ZipPath, out _);
        using var disposal = (IDisposable)loaded;
        Assert.AreEqual(GptDevice.Cpu, Transformers(loaded).OfType<ScoreTextTransformer>().Single().Model.Engine.Device);
        Assert.IsTrue(log.Any(line => line.Contains("cuda:999") && line.Contains("FallbackToCpu")), string.Join("\n", log));
        SavedPipeline.AssertSame(saved.Answers, saved.Read(loaded));
    }

    /// <summary>ML.NET calls loaders through reflection, which wraps what they throw.</summary>
    internal static T Cause<T>(Exception exception)
        where T : Exception
    {
        for (Exception? e = exception; e is not null; e = e.InnerException)
        {
            if (e is T found) return found;
        }

        throw new AssertFailedException($"No {typeof(T).Name} in: {exception}");
    }

    private static IEnumerable<ITransformer> Transformers(ITransformer chain) => (IEnumerable<ITransformer>)chain;

    private static string[] OurFolders(string folder) => Directory.GetDirectories(folder, "mlnet-gpt-model-*");

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadAndForget(SavedPipeline saved, string temporary)
    {
        ITransformer loaded = new MLContext { TempFilePath = temporary }.Model.Load(saved.ZipPath, out _);
        SavedPipeline.AssertSame(saved.Answers, saved.Read(loaded));
        Assert.HasCount(1, OurFolders(temporary));
    }

    /// <summary>An engine of another kind, which computes with the formula's weights and writes them as a package.</summary>
    private sealed class OtherEngine(ICausalModel inner) : ICausalModel, IOnnxExportable
    {
        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public ICausalDecoder BeginDecoding(int rowCount, int capacity) => inner.BeginDecoding(rowCount, capacity);

        public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null) => OnnxExporter.Write(new FormulaWeights(Config), folder, options);

        public void Dispose()
        {
        }
    }

    /// <summary>A classifier of another kind, which always finds the first class and writes no package.</summary>
    private sealed class OtherClassifier : ITextClassifierModel
    {
        public GptConfig Config { get; } = new() { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 4, LayerCount = 1, HeadCount = 1 };

        public ClassifierHead Head { get; } = new() { Task = SupervisedTask.TextClassification, Labels = ["red", "green"] };

        public GptDevice Device => GptDevice.Cpu;

        public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default)
        {
            for (int i = 0; i < outputs.Length; i++) outputs[i] = i % 2 == 0 ? 5 : 0;
        }

        public void Dispose()
        {
        }
    }
}

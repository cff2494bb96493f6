using Microsoft.Extensions.AI;
using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Several LoRA adapters over one session of ONNX Runtime. The oracle is each adapter merged into the weights alone, by TorchSharp.</summary>
[TestClass]
public sealed class AdapterTests
{
    // Logits are of size 1 to 10; other sums in float32 leave some 1e-6.
    private const float Tolerance = 1e-5f;

    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["!abcdefghijklmnopqrst "]);

    private static readonly LoraOptions Wide = new() { Rank = 5, Alpha = 12, Projections = LoraProjections.All },
        Stable = new() { Rank = 8, Alpha = 6, Projections = LoraProjections.AttentionIn, RankStabilized = true },
        Late = new() { Rank = 1, Alpha = 3, Projections = LoraProjections.FeedForward, Layers = [1] };

    [TestMethod]
    [DataRow(GptBlockForm.PreNorm, GptAttentionPattern.Dense, GraphOperators.OnnxRuntime)]
    [DataRow(GptBlockForm.PreNorm, GptAttentionPattern.AlternatingDenseAndBanded, GraphOperators.OnnxRuntime)]
    [DataRow(GptBlockForm.PostNorm, GptAttentionPattern.Dense, GraphOperators.Standard)]
    public void Each_row_of_a_mixed_batch_is_its_adapter_merged_alone(GptBlockForm block, GptAttentionPattern attention, GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config with { BlockForm = block, AttentionPattern = attention, AttentionBandWidth = 3 }, new() { AdaptableProjections = LoraProjections.All, Operators = operators });
        IModelAdapter[] adapters = [.. models.Names.Select(name => models.Base.LoadAdapter(name, folder[name]))];
        var engine = (IAdaptableModel)models.Base.Engine;
        Assert.AreEqual((8, "stable"), (adapters[1].Options.Rank, adapters[1].Name));
        IModelAdapter? wide = adapters[0], stable = adapters[1], late = adapters[2];

        // 1. Rows of unequal length, with every adapter, one twice, and with none; then single tokens.
        using var mixed = (IForkableDecoder)engine.BeginDecoding([null, wide, stable, late, wide], 24);
        var rows = new List<(IModelAdapter? Adapter, List<int> Tokens)> { (null, [1, 2, 3, 4]), (wide, [5, 6]), (stable, [7, 8, 9]), (late, [1, 2, 3, 4]), (wide, [1, 2, 3, 4]) };
        models.Same(mixed, rows);
        models.Same(mixed, rows, [3, 1, 4, 1, 5]);
        models.Same(mixed, rows, [9, 2, 6, 5, 3]);

        // 2. Rows leave, also those of the only one that an adapter had; a copy goes on; others join with an adapter that was not there.
        mixed.SelectRows([0, 4, 2]);
        rows = [rows[0], rows[4], rows[2]];
        models.Same(mixed, rows, [2, 3, 5]);
        using var joining = (IForkableDecoder)engine.BeginDecoding([late, null], 24);
        List<(IModelAdapter? Adapter, List<int> Tokens)> more = [(late, [4, 5, 6]), (null, [6, 5])];
        models.Same(joining, more);
        mixed.Join(joining);
        rows.AddRange(more);
        models.Same(mixed, rows, [1, 1, 2, 3, 5]);
        using (IForkableDecoder copy = mixed.Fork(24)) models.Same(copy, [.. rows.Select(static row => (row.Adapter, new List<int>(row.Tokens)))], [5, 4, 3, 2, 1]);
        mixed.Truncate(mixed.Length - 1);
        foreach ((_, List<int> tokens) in rows) tokens.RemoveAt(tokens.Count - 1);
        models.Same(mixed, rows, [8, 8, 8, 8, 8]);
        mixed.SelectRows([0, 4]);
        rows = [rows[0], rows[4]];
        models.Same(mixed, rows, [7, 7]);

        // 3. Several tokens behind others.
        using var alone = (IForkableDecoder)engine.BeginDecoding([wide, null], 24);
        List<(IModelAdapter? Adapter, List<int> Tokens)> two = [(wide, [1, 2]), (null, [3, 4])];
        models.Same(alone, two);
        models.Same(alone, two, [5, 6, 7, 8, 9, 1]);
    }

    [TestMethod]
    [DataRow(WeightFormat.Float32)]
    [DataRow(WeightFormat.Int8)]
    [DataRow(WeightFormat.Int4)]
    public void A_row_without_an_adapter_is_the_base_bit_for_bit(WeightFormat format)
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All, Weights = format });
        using GptModel plain = Models.Open(folder, "plain", models.Torch, new() { Weights = format });
        IModelAdapter wide = models.Base.LoadAdapter("wide", folder["wide"]);
        int v = Config.VocabularySize;
        float[] mixed = new float[3 * v], bare = new float[3 * v], without = new float[3 * v];
        using ICausalDecoder one = ((IAdaptableModel)models.Base.Engine).BeginDecoding([wide, null, wide], 12), two = models.Base.Engine.BeginDecoding(3, 12), three = plain.Engine.BeginDecoding(3, 12);
        foreach (int[] tokens in (int[][])[[1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 5, 6], [7, 8, 9]])
        {
            one.Append(tokens, default, LogitsScope.LastPosition, mixed);
            two.Append(tokens, default, LogitsScope.LastPosition, bare);
            three.Append(tokens, default, LogitsScope.LastPosition, without);
            CollectionAssert.AreEqual(without, bare, "room for adapters changes nothing");
            CollectionAssert.AreEqual(without[v..(2 * v)], mixed[v..(2 * v)], "nor do other rows' adapters");
            CollectionAssert.AreNotEqual(without[..v], mixed[..v]);
        }
    }

    [TestMethod]
    [DataRow(WeightFormat.Int8)]
    [DataRow(WeightFormat.Int4)]
    public void Over_a_quantized_base_the_adapters_stay_as_they_are(WeightFormat weights)
    {
        using var folder = new TemporaryFolder();
        GptConfig config = Config with { EmbeddingSize = 64, HeadCount = 4 };
        using var models = new Models(folder, config, new() { AdaptableProjections = LoraProjections.All, Weights = weights });
        IModelAdapter wide = models.Base.LoadAdapter("wide", folder["wide"]), late = models.Base.LoadAdapter("late", folder["late"]);
        int v = config.VocabularySize;
        float[] mixed = new float[3 * v], alone = new float[v];
        var engine = (IAdaptableModel)models.Base.Engine;
        IModelAdapter?[] rows = [late, null, wide];
        using ICausalDecoder decoder = engine.BeginDecoding(rows, 8);
        decoder.Append([1, 2, 3, 1, 2, 3, 1, 2, 3], default, LogitsScope.LastPosition, mixed);
        for (int row = 0; row < 3; row++)
        {
            using ICausalDecoder single = rows[row] is { } adapter ? engine.BeginDecoding([adapter], 8) : engine.BeginDecoding(1, 8);
            single.Append([1, 2, 3], default, LogitsScope.LastPosition, alone);
            for (int i = 0; i < v; i++) Assert.AreEqual(alone[i], mixed[(row * v) + i], 1e-4f, $"row {row}");
        }

        // The term that an adapter adds is not rounded: it moves the logits about as far as in float32.
        double moved = Distance(mixed.AsSpan(2 * v, v), mixed.AsSpan(v, v)), exact = models.MovedBy("wide", [1, 2, 3]);
        Assert.AreEqual(exact, moved, 0.15 * exact);
    }

    [TestMethod]
    public async Task Callers_of_one_queue_choose_their_adapters_while_others_come_and_go()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        foreach (string name in models.Names) models.Base.LoadAdapter(name, folder[name]);
        string?[] names = [null, .. models.Names];
        using var queue = new GptGenerationQueue(models.Base, new() { MaxRows = 6, PrefillTokens = 7, PrefixCacheTokens = 200 });
        const string Shared = "abc def ghi jkl mno ";   // long enough to be found again, and only with the adapter that it was computed with
        GenerateTextOptions Options(int i) => new() { MaxNewTokens = 2 + (i * 5 % 9), Temperature = i % 2 == 0 ? 0 : 0.8f, Seed = i, Adapter = names[i % names.Length] };
        string Prompt(int i) => Shared + (char)('a' + (i / names.Length % 5));
        Task<GeneratedText>[] calls = [.. Enumerable.Range(0, 48).Select(i => queue.GenerateAsync(Prompt(i), Options(i)))];

        // Meanwhile another comes, under a name that was another's.
        Task<GeneratedText> late = queue.GenerateAsync(Shared, new() { MaxNewTokens = 20, Temperature = 0, StopAtEndOfText = false, Adapter = "late" });
        while (!late.IsCompleted && queue.WaitingCount > 40) await Task.Yield();
        Assert.IsTrue(models.Base.UnloadAdapter("LATE"));
        Assert.IsFalse(models.Base.UnloadAdapter("late"));
        models.Base.LoadAdapter("late", folder["stable"]);
        Task<GeneratedText> changed = queue.GenerateAsync(Shared, new() { MaxNewTokens = 20, Temperature = 0, StopAtEndOfText = false, Adapter = "late" });
        GeneratedText[] together = await Task.WhenAll(calls);
        for (int i = 0; i < together.Length; i++)
        {
            GeneratedText alone = models.Merged(names[i % names.Length]).Generate([Prompt(i)], Options(i) with { Adapter = null })[0];
            Assert.AreEqual((alone.Text, alone.FinishReason), (together[i].Text, together[i].FinishReason), $"call {i}, {names[i % names.Length]}");
        }

        GenerateTextOptions greedy = new() { MaxNewTokens = 20, Temperature = 0, StopAtEndOfText = false };
        Assert.AreEqual(models.Merged("late").Generate(Shared, greedy), (await late).Text);
        Assert.AreEqual(models.Merged("stable").Generate(Shared, greedy), (await changed).Text);
        Assert.IsGreaterThan(0L, queue.ReusedTokens);
        Assert.AreEqual(3, together.Select((text, i) => (text.Text, i)).Where(static pair => pair.i is 1 or 2 or 3).Select(static pair => pair.Text).Distinct().Count(), "the adapters are not the same");

        // Without a queue, with beams, guesses and samples.
        foreach (GenerateTextOptions options in (GenerateTextOptions[])[greedy, greedy with { BeamCount = 3 }, greedy with { PromptLookupTokens = 4 }, greedy with { Temperature = 0.7f, SamplesPerPrompt = 3 }])
        {
            CollectionAssert.AreEqual(
                models.Merged("wide").Generate(["ab", "cde"], options).Select(static text => text.Text).ToArray(),
                models.Base.Generate(["ab", "cde"], options with { Adapter = "wide" }).Select(static text => text.Text).ToArray());
        }

        // Scored as merged, too.
        SequenceScore score = models.Base.Score("abc def", new ScoreTextOptions { Adapter = "wide" }), merged = models.Merged("wide").Score("abc def");
        Assert.AreEqual(merged.LogLikelihood, score.LogLikelihood, 1e-4);
        Assert.AreNotEqual(models.Base.Score("abc def").LogLikelihood, score.LogLikelihood, 1e-2);
        double apart = 0;
        foreach ((SequenceEmbedding found, SequenceEmbedding expected, SequenceEmbedding plain) in models.Base.Embed(["abc def", "g"], new() { Adapter = "WIDE" }).Zip(models.Merged("wide").Embed(["abc def", "g"]), models.Base.Embed(["abc def", "g"])))
        {
            for (int i = 0; i < found.Vector.Length; i++)
            {
                Assert.AreEqual(expected.Vector[i], found.Vector[i], Tolerance);
                apart = Math.Max(apart, Math.Abs(plain.Vector[i] - found.Vector[i]));
            }
        }

        Assert.IsGreaterThan(1e-2, apart);
        Assert.ThrowsExactly<UnknownAdapterException>(() => models.Base.Embed(["a"], new() { Adapter = "none" }));
        Assert.ThrowsExactly<UnsupportedOptionException>(() => models.Torch.Embed(["a"], new() { Adapter = "wide" }));
        var hidden = new float[3 * Config.EmbeddingSize];
        Assert.ThrowsExactly<ArgumentException>(() => ((IAdaptableHiddenStateModel)models.Base.Engine).ComputeHiddenStates([1, 2, 3], [], hidden));
        Assert.ThrowsExactly<UnknownAdapterException>(() => models.Base.ScoreChoices(["a"], [["b", "c"]], new ScoreChoicesOptions { Adapter = "none", Separator = "" }));

        UnknownAdapterException unknown = Assert.ThrowsExactly<UnknownAdapterException>(() => { _ = queue.GenerateAsync("a", greedy with { Adapter = "french" }); });
        Assert.AreEqual("french", unknown.Name);
        CollectionAssert.AreEquivalent(new[] { "wide", "stable", "late" }, unknown.Loaded.ToArray());
    }

    [TestMethod]
    public void An_adapter_that_does_not_fit_is_refused_with_the_reason()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.Attention });
        GptModel model = models.Base;
        LoraCheckpoint.Write(folder["other"], Config with { EmbeddingSize = 48 }, Stable, static (_, values) => values.AsSpan().Fill(0.1f));
        Assert.AreEqual("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", Assert.ThrowsExactly<TensorMismatchException>(() => model.LoadAdapter("other", folder["other"])).TensorName);
        UnsupportedAdapterException missing = Assert.ThrowsExactly<UnsupportedAdapterException>(() => model.LoadAdapter("wide", folder["wide"]));
        Assert.AreEqual(("target_modules", "mlp.c_fc, mlp.c_proj", "what the package offers, attn.c_attn, attn.c_proj"), (missing.Setting, missing.Found, missing.Supported));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => model.LoadAdapter("none", folder["none"]));
        foreach (string name in (string[])["", "a/b", "..", "a b", new string('a', 65)]) Assert.ThrowsExactly<ArgumentException>(() => model.LoadAdapter(name, folder["stable"]), name);
        model.LoadAdapter("stable", folder["stable"]);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => model.LoadAdapter("Stable", folder["stable"])).Message, "'stable'");
        Assert.HasCount(1, model.Adapters);

        // Who takes none says so: another graph, another engine, a model with a head.
        using GptModel plain = Models.Open(folder, "plain", models.Torch, new());
        foreach (GptModel one in (GptModel[])[plain, models.Torch])
        {
            Assert.ThrowsExactly<UnsupportedOptionException>(() => one.LoadAdapter("stable", folder["stable"]));
            Assert.AreEqual("Adapter", Assert.ThrowsExactly<UnsupportedOptionException>(() => one.Generate("a", new() { Adapter = "stable" })).Option);
            Assert.HasCount(0, one.Adapters);
        }

        Assert.ThrowsExactly<ArgumentException>(() => ((IAdaptableModel)plain.Engine).BeginDecoding([model.Adapters.First()], 8));
        Assert.ThrowsExactly<ArgumentException>(() => ((IAdaptableModel)model.Engine).BeginDecoding([], 8));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new OnnxExportOptions { AdaptableProjections = (LoraProjections)64 }.Validate());
        Assert.ThrowsExactly<UnsupportedOptionException>(() => new OnnxExportOptions { AdaptableProjections = LoraProjections.All }.ValidateForHead());
    }

    [TestMethod]
    public void Adapters_go_with_the_model_into_a_package_and_into_model_zip()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        foreach (string name in models.Names) models.Base.LoadAdapter(name, folder[name]);
        GenerateTextOptions options = new() { MaxNewTokens = 12, Temperature = 0, StopAtEndOfText = false, Adapter = "wide" };
        string expected = models.Merged("wide").Generate("abc", options with { Adapter = null });
        models.Base.ExportOnnx(folder["again"]);
        Directory.Delete(folder["wide"], recursive: true);   // it was read when it was loaded
        using (GptModel again = GptModel.FromOnnx(folder["again"], GptDevice.Cpu))
        {
            CollectionAssert.AreEquivalent(models.Names, again.Adapters.Select(static adapter => adapter.Name).ToArray());
            Assert.AreEqual(expected, again.Generate("abc", options));
            IModelAdapter stable = again.Adapters.Single(static adapter => adapter.Name == "stable");
            Assert.AreEqual((Stable.Rank, Stable.Scale), (stable.Options.Rank, stable.Options.Scale));
        }

        var ml = new MLContext(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable([new Row { Prompt = "abc" }, new Row { Prompt = "d" }]);
        ITransformer pipeline = ml.Gpt().Transforms.GenerateText("Answer", "Prompt", models.Base, options).Fit(data);
        ml.Model.Save(pipeline, data.Schema, folder["model.zip"]);
        ITransformer loaded = new MLContext().Model.Load(folder["model.zip"], out _);
        string[] answers = [.. ml.Data.CreateEnumerable<Row>(loaded.Transform(data), reuseRowObject: false, ignoreMissingColumns: true).Select(static row => row.Answer!)];
        Assert.AreEqual(expected, answers[0]);
        GptModel deployed = ((GenerateTextTransformer)loaded).Model;
        Assert.HasCount(3, deployed.Adapters);
        Assert.AreEqual(models.Merged("late").Generate("d", options with { Adapter = null }), deployed.Generate("d", options with { Adapter = "late" }));
        Assert.ThrowsExactly<UnknownAdapterException>(() => ml.Gpt().Transforms.GenerateText("Answer", "Prompt", models.Base, options with { Adapter = "none" }).Fit(data));
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public async Task A_stream_has_the_adapter_of_the_moment_when_it_was_asked_for()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        (ChatTemplate.Default with { SystemMarker = "a", UserMarker = "b", AssistantMarker = "c" }).Save(folder["base"]);
        using GptModel model = GptModel.FromOnnx(folder["base"], GptDevice.Cpu);
        model.LoadAdapter("one", folder["wide"]);
        GenerateTextOptions options = new() { MaxNewTokens = 12, Temperature = 0, StopAtEndOfText = false, Adapter = "one" };
        using GptSession text = model.BeginSession(), conversation = model.BeginSession();
        using var queue = new GptGenerationQueue(model);
        using IChatClient client = model.AsChatClient(new() { Generation = options });
        string continued = model.Generate("abc", options), answered = model.Chat([ConversationTurn.User("abc")], options).Text;
        (string Name, string Expected, IAsyncEnumerable<string> Pieces)[] streams =
        [
            ("model", continued, model.GenerateStreaming("abc", options)), ("queue", continued, queue.GenerateStreaming("abc", options)), ("session", continued, text.ContinueStreaming("abc", options)),
            ("conversation", answered, conversation.AskStreaming("abc", options)), ("client", answered, client.GetStreamingResponseAsync("abc").Select(static update => update.Text)),
        ];
        model.UnloadAdapter("one");
        model.LoadAdapter("one", folder["stable"]);
        Assert.AreNotEqual(continued, model.Generate("abc", options));
        Assert.AreNotEqual(answered, model.Chat([ConversationTurn.User("abc")], options).Text);
        foreach ((string name, string expected, IAsyncEnumerable<string> pieces) in streams) Assert.AreEqual(expected, string.Concat(await pieces.ToArrayAsync()), name);
    }

    [TestMethod]
    public void A_checkpoint_and_adapters_become_one_package_with_room_for_no_more_than_they_need()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new());
        models.Torch.SaveCheckpoint(folder["checkpoint"]);
        OnnxExporter.ExportWithAdapters(folder["checkpoint"], new Dictionary<string, string> { ["late"] = folder["late"], ["other"] = folder["stable"] }, folder["package"]);
        using GptModel model = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
        Assert.AreEqual(Late.Projections | Stable.Projections, ((IAdaptableModel)model.Engine).AdaptableProjections);
        GenerateTextOptions options = new() { MaxNewTokens = 12, Temperature = 0, StopAtEndOfText = false };
        foreach ((string? name, string? source) in ((string?, string?)[])[(null, null), ("late", "late"), ("other", "stable")])
            Assert.AreEqual(models.Merged(source).Generate("abc", options), model.Generate("abc", options with { Adapter = name }), name);
        OnnxExporter.ExportWithAdapters(folder["checkpoint"], new Dictionary<string, string>(), folder["none"], new() { AdaptableProjections = LoraProjections.AttentionOut });
        using GptModel none = GptModel.FromOnnx(folder["none"], GptDevice.Cpu);
        Assert.AreEqual((0, LoraProjections.AttentionOut), (none.Adapters.Count, ((IAdaptableModel)none.Engine).AdaptableProjections));

        foreach (string[] names in (string[][])[["a.b"], [""], ["late", "Late"]])
            Assert.ThrowsExactly<ArgumentException>(() => OnnxExporter.ExportWithAdapters(folder["checkpoint"], names.ToDictionary(static name => name, _ => folder["late"]), folder["refused"]), string.Join(",", names));
        LoraCheckpoint.Write(folder["small"], Config with { EmbeddingSize = 48 }, Stable, static (_, values) => values.AsSpan().Fill(0.1f));
        Assert.ThrowsExactly<TensorMismatchException>(() => OnnxExporter.ExportWithAdapters(folder["checkpoint"], new Dictionary<string, string> { ["small"] = folder["small"] }, folder["refused"]));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => OnnxExporter.ExportWithAdapters(folder["checkpoint"], new Dictionary<string, string> { ["none"] = folder["none-such"] }, folder["refused"]));
        Assert.IsFalse(Directory.Exists(folder["refused"]));
    }

    [TestMethod]
    public void A_session_keeps_its_adapter_over_the_night()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        models.Base.LoadAdapter("wide", folder["wide"]);
        GenerateTextOptions options = new() { MaxNewTokens = 6, Temperature = 0, StopAtEndOfText = false, Adapter = "wide" };
        using GptSession session = models.Base.BeginSession();
        session.Continue("abc", options);
        session.Save(folder["state"]);
        using GptModel later = GptModel.FromOnnx(folder["base"], GptDevice.Cpu);
        Assert.AreEqual("adapter's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => later.RestoreSession(folder["state"])).Part);

        // Nor do the same matrices at another scale serve.
        Directory.CreateDirectory(folder["louder"]);
        foreach (string file in Directory.GetFiles(folder["wide"])) File.Copy(file, Path.Combine(folder["louder"], Path.GetFileName(file)));
        string settings = Path.Combine(folder["louder"], "adapter_config.json");
        string quiet = File.ReadAllText(settings), loud = quiet.Replace("\"lora_alpha\": 12", "\"lora_alpha\": 24", StringComparison.Ordinal);
        Assert.AreNotEqual(quiet, loud);
        File.WriteAllText(settings, loud);
        Assert.AreEqual(2 * Wide.Scale, later.LoadAdapter("louder", folder["louder"]).Options.Scale);
        Assert.AreEqual("adapter's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => later.RestoreSession(folder["state"])).Part);
        later.LoadAdapter("renamed", folder["wide"]);
        using GptSession restored = later.RestoreSession(folder["state"]);
        Assert.AreEqual(8, restored.ComputedTokens);
        string expected = session.Continue("d", options).Text;
        Assert.AreEqual(expected, restored.Continue("d", options with { Adapter = "renamed" }).Text);

        // With another adapter, or none, all is computed anew: no keys or values of the first are read.
        string text = string.Concat(restored.TokenIds.Select(static id => Tokenizer.Decode([id])));
        Assert.AreEqual(models.Torch.Generate(text, options with { Adapter = null }), restored.Continue("", options with { Adapter = null }).Text);
    }

    // The oracle is the same comparison with the adapter in the weights.
    [TestMethod]
    public void A_policys_entropy_and_divergence_are_those_of_the_adapter_that_it_answers_with()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        models.Base.LoadAdapter("wide", folder["wide"]);
        var ml = new MLContext(seed: 1);
        IDataView prompts = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 12).Select(static i => new Row { Prompt = "abcdefghijklmnopqrst"[i..(i + 3)] }).ToArray());
        JudgedPolicy Judged(GptModel policy, string? adapter) => ml.Gpt().Evaluate.Policies(prompts, "Prompt", [("policy", policy)], static responses => [.. responses.Select(static _ => 0f)],
            new() { Reference = models.Merged(null), Generation = new() { MaxNewTokens = 8, Adapter = adapter } }).Policies[0];
        JudgedPolicy expected = Judged(models.Merged("wide"), null), found = Judged(models.Base, "wide");
        Assert.IsGreaterThan(0.1, expected.Kl!.Value);
        Assert.AreEqual(expected.Kl.Value, found.Kl!.Value, 1e-3);
        Assert.AreEqual(expected.Entropy!.Value, found.Entropy!.Value, 1e-3);
        Assert.AreEqual(0, Judged(models.Base, null).Kl!.Value, 1e-3, "of the base alone");
    }

    // Rank, scale and numbers are the same; only the layer is another.
    [TestMethod]
    public void An_adapter_of_another_layer_is_another_one_though_its_numbers_are_the_same()
    {
        using var folder = new TemporaryFolder();
        using var models = new Models(folder, Config, new() { AdaptableProjections = LoraProjections.All });
        foreach (int layer in (int[])[0, 1])
            LoraCheckpoint.Write(folder[$"layer{layer}"], Config, new() { Rank = 1, Alpha = 2, Projections = LoraProjections.AttentionIn, Layers = [layer] }, static (_, values) => Array.Fill(values, 0.2f));
        models.Base.LoadAdapter("layer0", folder["layer0"]);
        using GptSession session = models.Base.BeginSession();
        session.Continue("abc", new GenerateTextOptions { MaxNewTokens = 3, Temperature = 0, StopAtEndOfText = false, Adapter = "layer0" });
        session.Save(folder["state"]);
        Assert.IsTrue(models.Base.UnloadAdapter("layer0"));
        models.Base.LoadAdapter("layer1", folder["layer1"]);
        Assert.AreEqual("adapter's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => models.Base.RestoreSession(folder["state"])).Part);
        models.Base.LoadAdapter("again", folder["layer0"]);
        models.Base.RestoreSession(folder["state"]).Dispose();
    }

    private static GptConfig Config => new() { VocabularySize = Tokenizer.VocabularySize, ContextLength = 64, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, InitializerRange = 0.3f };

    private static double Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += (a[i] - b[i]) * (double)(a[i] - b[i]);
        return Math.Sqrt(sum);
    }

    /// <summary>A base on TorchSharp and as a package with room for adapters, three adapters' folders, and each merged by TorchSharp.</summary>
    private sealed class Models : IDisposable
    {
        private readonly TemporaryFolder _folder;
        private readonly Dictionary<string, GptModel> _merged = [];

        public Models(TemporaryFolder folder, GptConfig config, OnnxExportOptions options)
        {
            _folder = folder;
            Torch = new(new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 3)), Tokenizer);
            Base = Open(folder, "base", Torch, options);
            int seed = 0;
            foreach ((string name, LoraOptions adapter) in (ReadOnlySpan<(string, LoraOptions)>)[("wide", Wide), ("stable", Stable), ("late", Late)])
            {
                var random = new Random(++seed);
                LoraCheckpoint.Write(folder[name], config, adapter, (_, values) =>
                {
                    for (int i = 0; i < values.Length; i++) values[i] = (random.NextSingle() - 0.5f) * 0.3f;
                });
            }
        }

        public string[] Names { get; } = ["wide", "stable", "late"];

        public GptModel Torch { get; }

        public GptModel Base { get; }

        public static GptModel Open(TemporaryFolder folder, string name, GptModel torch, OnnxExportOptions options)
        {
            torch.ExportOnnx(folder[name], options);
            return GptModel.FromOnnx(folder[name], GptDevice.Cpu);
        }

        /// <summary>The base with an adapter merged into its weights, as a package without room for any.</summary>
        public GptModel Merged(string? name)
        {
            if (_merged.TryGetValue(name ?? "", out GptModel? model)) return model;
            if (name is null)
            {
                model = Open(_folder, "merged", Torch, new());
            }
            else
            {
                using GptModel adapted = Torch.WithAdapter(_folder[name]);
                model = Open(_folder, "merged-" + name, adapted, new());
            }

            _merged.Add(name ?? "", model);
            return model;
        }

        /// <summary>How far an adapter moves the logits behind some tokens, in float32.</summary>
        public double MovedBy(string name, int[] tokens) => Distance(Logits(Merged(name), tokens), Logits(Merged(null), tokens));

        /// <summary>Appends as many of the next tokens to every row (in the first call its own tokens, padded on the left), and compares each row with its merged model.</summary>
        public void Same(ICausalDecoder decoder, List<(IModelAdapter? Adapter, List<int> Tokens)> rows, params int[] next)
        {
            int v = Torch.Config.VocabularySize, b = rows.Count, n = decoder.Length == 0 ? rows.Max(static row => row.Tokens.Count) : next.Length / b;
            int[] ids = new int[b * n];
            byte[] mask = new byte[ids.Length];
            for (int row = 0; row < b; row++)
            {
                List<int> tokens = rows[row].Tokens;
                if (decoder.Length > 0) tokens.AddRange(next.AsSpan(row * n, n));
                int own = decoder.Length == 0 ? tokens.Count : n;
                for (int i = 0; i < own; i++) (ids[((row + 1) * n) - own + i], mask[((row + 1) * n) - own + i]) = (tokens[tokens.Count - own + i], 1);
            }

            float[] found = new float[b * v];
            decoder.Append(ids, mask.Contains((byte)0) ? mask : default, LogitsScope.LastPosition, found);
            for (int row = 0; row < b; row++)
            {
                float[] expected = Logits(Merged(rows[row].Adapter?.Name), [.. rows[row].Tokens]);
                for (int i = 0; i < v; i++) Assert.AreEqual(expected[i], found[(row * v) + i], Tolerance * Math.Max(1, expected.Max(Math.Abs)), $"row {row}, {rows[row].Adapter?.Name ?? "base"}, token {i}");
            }
        }

        public void Dispose()
        {
            foreach (GptModel model in _merged.Values) model.Dispose();
            Base.Dispose();
            Torch.Dispose();
        }

        private static float[] Logits(GptModel model, int[] tokens)
        {
            float[] logits = new float[model.Config.VocabularySize];
            using ICausalDecoder decoder = model.Engine.BeginDecoding(1, tokens.Length);
            decoder.Append(tokens, default, LogitsScope.LastPosition, logits);
            return logits;
        }
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string? Answer { get; set; }
    }
}

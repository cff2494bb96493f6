using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Models;

[TestClass]
public sealed class ModelCompanionsTests
{
    private const string ForeignTemplate = """{"chat_template":"{% for m in messages %}{{ m['content'] }}{% endfor %}"}""";

    [TestMethod]
    [DataRow("""{"_from_model_config":true,"bos_token_id":27,"eos_token_id":27}""", 0f, 0)] // silent: greedy
    [DataRow("""{"do_sample":true,"temperature":0.75}""", 0.75f, 50)]
    [DataRow("""{"do_sample":true,"top_k":null}""", 1f, 0)]
    [DataRow("""{"temperature":0.75}""", 0f, 0)]
    public void A_generation_config_means_what_it_means_to_transformers_and_is_kept_byte_for_byte(string json, float temperature, int topK)
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        File.WriteAllText(Path.Combine(package, "generation_config.json"), json);
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        Assert.AreEqual((temperature, topK), (model.Generation.Temperature, model.Generation.TopK));
        Assert.AreEqual(model.Generate("abc", new() { Temperature = temperature, TopK = topK }), model.Generate("abc"));
        model.ExportOnnx(folder["again"]);
        Assert.AreEqual(json, File.ReadAllText(folder["again/generation_config.json"]));
    }

    [TestMethod]
    public void The_models_end_tokens_end_text_and_columns_also_after_save_and_load()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        int end;
        using (GptModel plain = GptModel.FromOnnx(package, GptDevice.Cpu))
        {
            // What the model writes third, greedily, becomes an end token.
            end = TestModels.Letters.Encode(plain.Generate("abc", new() { Temperature = 0, MaxNewTokens = 8 }))[0];
        }

        File.WriteAllText(Path.Combine(package, "generation_config.json"), $$"""{"eos_token_id":[27,{{end}}]}""");
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        GeneratedText text = model.Generate(["abc"], new() { Temperature = 0, MaxNewTokens = 8 })[0];
        Assert.AreEqual(("", FinishReason.StopToken), (text.Text, text.FinishReason));
        Assert.AreNotEqual("", model.Generate("abc", new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false }));

        var ml = new MLContext(seed: 1);
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "abc" }]);
        ITransformer fitted = ml.Gpt().Transforms.GenerateText("Answer", "Text", model, temperature: 0).Fit(rows);
        ml.Model.Save(fitted, rows.Schema, folder["model.zip"]);
        ITransformer loaded = ml.Model.Load(folder["model.zip"], out _);
        foreach (ITransformer transformer in (ITransformer[])[fitted, loaded])
            Assert.AreEqual("", ml.Data.CreateEnumerable<Answered>(transformer.Transform(rows), reuseRowObject: false).Single().Answer);
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("""{"do_sample":true,"top_k":7}""")]
    public void The_end_and_begin_tokens_that_only_the_configuration_names_count_and_outlive_every_export(string? settings)
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder), config = Path.Combine(package, "config.json");
        int x = TestModels.Letters.Encode("x")[0], y = TestModels.Letters.Encode("y")[0];
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        (json["eos_token_id"], json["bos_token_id"]) = (new JsonArray(30, x), y);
        File.WriteAllText(config, json.ToJsonString());
        if (settings is not null) File.WriteAllText(Path.Combine(package, "generation_config.json"), settings);
        var ml = new MLContext(seed: 1);
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "abc" }]);
        using GptModel first = GptModel.FromOnnx(package, GptDevice.Cpu);
        first.ExportOnnx(folder["second"]);
        ml.Model.Save(ml.Gpt().Transforms.GenerateText("Answer", "Text", first).Fit(rows), rows.Schema, folder["model.zip"]);
        using var loaded = (GenerateTextTransformer)ml.Model.Load(folder["model.zip"], out _);
        using GptModel second = GptModel.FromOnnx(folder["second"], GptDevice.Cpu);

        // Another engine writes a configuration of its own, and so does the exporter of checkpoints.
        OnnxExporter.Write(new FormulaWeights(first.Config), Directory.CreateDirectory(folder["third"]).FullName);
        TestModels.Letters.Save(folder["third"]);
        first.Companions.Save(folder["third"]);
        using GptModel third = GptModel.FromOnnx(folder["third"], GptDevice.Cpu);
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(first.Config), TestModels.Letters);
        File.Copy(config, folder["checkpoint/config.json"], overwrite: true);
        File.Delete(folder["checkpoint/generation_config.json"]);
        if (settings is not null) File.WriteAllText(folder["checkpoint/generation_config.json"], settings);
        OnnxExporter.Export(folder["checkpoint"], folder["fourth"]);
        using GptModel fourth = GptModel.FromOnnx(folder["fourth"], GptDevice.Cpu);
        foreach (GptModel model in (GptModel[])[first, second, loaded.Model, third, fourth])
        {
            CollectionAssert.AreEqual(new[] { x }, model.Generation.StopTokenIds.ToArray());
            Assert.AreEqual((y, settings is null ? 0 : 7), (model.BeginTokenId, model.Generation.TopK));
            Assert.IsFalse(model.Generation.IsGreedy);
        }
    }

    [TestMethod]
    public void The_models_begin_token_begins_an_empty_prompt_and_stands_before_a_scored_text()
    {
        using var folder = new TemporaryFolder();
        int begin = TestModels.Letters.Encode("q")[0];
        folder.Write("generation_config.json", $$"""{"bos_token_id":{{begin}}}""");
        var firsts = new HashSet<int>();
        var engine = new HistoryModel(TestModels.Letters.VocabularySize, 16, history =>
        {
            lock (firsts) firsts.Add(history[0]);
            return new float[TestModels.Letters.VocabularySize];
        });
        using var model = new GptModel(engine, TestModels.Letters, ModelCompanions.Load(folder.Path, TestModels.Letters));
        model.Generate("", new() { MaxNewTokens = 1 });
        model.Generate(["", "q"], new() { MaxNewTokens = 1 });
        _ = string.Concat(model.GenerateStreaming("", new() { MaxNewTokens = 1 }).ToBlockingEnumerable());
        model.Score("ab");
        model.ScoreChoices([""], [["a", "b"]], new() { Separator = "" });
        CollectionAssert.AreEqual(new[] { begin }, firsts.ToArray());
        Assert.AreEqual(begin, model.BeginTokenId);

        // One that the tokenizer lacks, and none: the end-of-text token.
        foreach (string other in (string[])["""{"bos_token_id":1000}""", """{"bos_token_id":null}""", "{}"])
        {
            folder.Write("generation_config.json", other);
            Assert.IsNull(ModelCompanions.Load(folder.Path, TestModels.Letters).BeginTokenId);
        }
    }

    [TestMethod]
    public void The_models_end_tokens_end_an_answer_of_a_conversation()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!\n"]);
        folder.Write("generation_config.json", $$"""{"eos_token_id":[{{tokenizer.EndOfTextId}},{{tokenizer.Encode("!")[0]}}]}""");
        (ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" }).Save(folder.Path);
        using var model = new GptModel(new HistoryModel(tokenizer.VocabularySize, 64, history =>
        {
            float[] logits = new float[tokenizer.VocabularySize];
            logits[tokenizer.Encode(history[^1] == tokenizer.Encode("y")[0] ? "!" : "y")[0]] = 30; // "y!y!y!…"
            return logits;
        }), tokenizer, ModelCompanions.Load(folder.Path, tokenizer));
        GeneratedText answer = model.Chat([ConversationTurn.User("hi")]);
        Assert.AreEqual(("y", FinishReason.StopToken), (answer.Text, answer.FinishReason));
        Assert.AreEqual("y", model.Chat([ConversationTurn.User("hi")], new() { Temperature = 0 }).Text);
        using IChatClient client = model.AsChatClient();
        Assert.AreEqual("y", client.GetResponseAsync("hi").GetAwaiter().GetResult().Text);
        Assert.AreEqual("y", string.Concat(client.GetStreamingResponseAsync("hi").ToBlockingEnumerable().Select(static update => update.Text)));
        var ml = new MLContext(seed: 1);
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = """[{"role":"user","content":"hi"}]""" }]);
        ITransformer column = ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { PromptForm = PromptForm.Conversation, Temperature = 0 }).Fit(rows);
        Assert.AreEqual("y", ml.Data.CreateEnumerable<Answered>(column.Transform(rows), reuseRowObject: false).Single().Answer);
    }

    // GPT-2's file as users edit it: a list of end tokens, one stop string without a list, a null, a number in scientific notation.
    [TestMethod]
    public void Settings_are_read_and_kept_alike_in_every_culture()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder), settings = Path.Combine(package, "generation_config.json");
        int[] ends = [TestModels.Letters.Encode("c")[0], TestModels.Letters.Encode("d")[0]];
        try
        {
            foreach (bool samples in (bool[])[false, true])
            {
                CultureInfo.CurrentCulture = Other("−", ",");
                string json = $$"""{"eos_token_id":[{{ends[0]}},{{ends[1]}}],"stop_strings":"\n\n","top_k":null,"temperature":1e-7{{(samples ? ",\"do_sample\":true" : "")}}}""";
                File.WriteAllText(settings, json);
                using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
                model.ExportOnnx(folder["again"]);
                Assert.AreEqual(json, File.ReadAllText(folder["again/generation_config.json"]));
                var ml = new MLContext(seed: 1);
                IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "abc" }]);
                ml.Model.Save(ml.Gpt().Transforms.GenerateText("Answer", "Text", model, model.Generation).Fit(rows), rows.Schema, folder["model.zip"]);
                CultureInfo.CurrentCulture = Other("~", ";");
                using var loaded = (GenerateTextTransformer)ml.Model.Load(folder["model.zip"], out _);
                loaded.Model.ExportOnnx(folder["loaded"]);
                Assert.AreEqual(json, File.ReadAllText(folder["loaded/generation_config.json"]));
                foreach (GenerationOptions read in (GenerationOptions[])[model.Generation, loaded.Model.Generation, loaded.Options])
                {
                    CollectionAssert.AreEqual(ends, read.StopTokenIds.ToArray());
                    CollectionAssert.AreEqual(new[] { "\n\n" }, read.StopStrings.ToArray());
                    Assert.AreEqual((samples ? 1e-7f : 0, 0), (read.Temperature, read.TopK));
                }
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [TestMethod]
    public void Another_programs_chat_template_hinders_conversations_alone()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder), file = Path.Combine(package, ChatTemplate.FileName);
        File.WriteAllText(file, ForeignTemplate);
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        model.Generate("abc");
        model.Score("abc");
        Assert.IsNull(model.ChatTemplate);
        foreach (Action chat in (Action[])[() => model.Chat([ConversationTurn.User("hi")]), () => model.AsChatClient()])
        {
            ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(chat);
            Assert.AreEqual(file, refused.Path);
            Assert.Contains(file, refused.Message);
        }

        model.ExportOnnx(folder["again"]);
        Assert.AreEqual(ForeignTemplate, File.ReadAllText(folder["again/chat_template.json"]));
    }

    [TestMethod]
    public void A_token_over_the_join_of_prompt_and_answer_is_scored_as_the_answer_alone()
    {
        // The one merge is "ab": "a" is one token and "ab" is one token, so that nothing stands behind the prompt's.
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["ab ab ab"], new() { VocabularySize = 258, MinimumFrequency = 1 });
        Assert.HasCount(1, tokenizer.Encode("ab"));
        int only = tokenizer.Encode("b")[0];
        using var model = new GptModel(new HistoryModel(tokenizer.VocabularySize, 64, _ =>
        {
            float[] logits = new float[tokenizer.VocabularySize];
            logits[only] = 30; // e^-30 is left for all others
            return logits;
        }), tokenizer);
        IReadOnlyList<ChoiceScores> scores = model.ScoreChoices(["a", "x"], [["b", "cc"], ["b", "y"]], new() { Separator = "" });
        CollectionAssert.AreEqual(new[] { 1, 2 }, scores[0].TokenCounts.ToArray());
        Assert.AreEqual(0, scores[0].LogLikelihoods[0], 1e-6);
        Assert.AreEqual(0, scores[1].LogLikelihoods[0], 1e-6);
    }

    /// <summary>A culture that writes numbers in another way, as sv-SE does; made here, since a process may know no culture but the invariant one.</summary>
    private static CultureInfo Other(string minus, string point)
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NegativeSign = minus;
        culture.NumberFormat.NumberDecimalSeparator = point;
        return culture;
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Answered
    {
        public string Answer { get; set; } = "";
    }
}

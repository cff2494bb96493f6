using System.Text.Json.Nodes;
using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

/// <summary>A checkpoint folder with another program's chat template and settings, on TorchSharp.</summary>
[TestClass]
public sealed class ForeignModelTests
{
    private const string ForeignTemplate = """{"chat_template":"{% for m in messages %}{{ m['content'] }}{% endfor %}"}""";
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!\n"]);
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 };

    private readonly string _folder = Directory.CreateTempSubdirectory("mlnet-gpt-foreign-").FullName;

    [TestInitialize]
    public void WriteCheckpoint()
    {
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 5);
        GptCheckpoint.Write(Checkpoint, network, Letters);
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Another_programs_chat_template_hinders_conversations_alone_and_is_kept()
    {
        string file = Path.Combine(Checkpoint, ChatTemplate.FileName);
        File.WriteAllText(file, ForeignTemplate);
        using GptModel model = GptModel.FromCheckpoint(Checkpoint, GptDevice.Cpu);
        model.Generate("abc");
        model.Score("abc");
        model.Embed(["abc"]);
        Refused(() => model.Chat([ConversationTurn.User("hi")]));
        Refused(() => model.AsChatClient());
        model.ExportOnnx(In("package"));
        Assert.AreEqual(ForeignTemplate, File.ReadAllText(In("package/chat_template.json")));
        model.SaveCheckpoint(In("saved"));
        Assert.AreEqual(ForeignTemplate, File.ReadAllText(In("saved/chat_template.json")));

        // Fine-tuning on pairs needs no template; fine-tuning on conversations takes one of the caller's, never another in silence.
        SupervisedFineTuningOptions options = FineTuning with { Pretrained = Checkpoint, Run = FineTuning.Run with { Folder = In("run") } };
        IDataView pairs = Ml.Data.LoadFromEnumerable([new Pair { Prompt = "ab", Completion = "cd" }]);
        using (GptSupervisedFineTuningTransformer tuned = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", "Completion", options).Fit(pairs))
        {
            Refused(() => tuned.Model.Chat([ConversationTurn.User("hi")]));
            Assert.AreEqual(ForeignTemplate, File.ReadAllText(Path.Combine(RunCheckpoints.FindLast(In("run"))!, "chat_template.json")));
        }

        IDataView conversations = Ml.Data.LoadFromEnumerable([new Pair { Prompt = """[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""" }]);
        Refused(() => Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", options with { Run = FineTuning.Run }).Fit(conversations));
        ChatTemplate own = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };
        using GptSupervisedFineTuningTransformer taught = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", options with { Run = FineTuning.Run, ChatTemplate = own }).Fit(conversations);
        taught.Model.Chat([ConversationTurn.User("hi")]);

        void Refused(Action action)
        {
            ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(action);
            Assert.AreEqual(file, refused.Path);
            Assert.Contains(file, refused.Message);
        }
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void The_models_end_and_begin_tokens_count_and_outlive_saving_fine_tuning_and_exporting(bool inConfiguration)
    {
        int end;
        using (GptModel plain = GptModel.FromCheckpoint(Checkpoint, GptDevice.Cpu)) end = Letters.Encode(plain.Generate("abc", new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false }))[0];
        int begin = Letters.Encode("z")[0];
        string settings = Path.Combine(Checkpoint, "generation_config.json"), config = Path.Combine(Checkpoint, "config.json"), edited = inConfiguration ? config : settings;
        JsonNode json = JsonNode.Parse(File.ReadAllText(edited))!;
        (json["eos_token_id"], json["bos_token_id"]) = (inConfiguration ? end : new JsonArray(Letters.EndOfTextId, end), begin);
        if (inConfiguration) File.Delete(settings);
        File.WriteAllText(edited, json.ToJsonString());

        using GptModel model = GptModel.FromCheckpoint(Checkpoint, GptDevice.Cpu);
        model.SaveCheckpoint(In("saved"));
        model.ExportOnnx(In("package"));
        IDataView pairs = Ml.Data.LoadFromEnumerable([new Pair { Prompt = "ab", Completion = "cd" }]);
        using GptSupervisedFineTuningTransformer tuned = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", "Completion", FineTuning with { Pretrained = Checkpoint, Run = FineTuning.Run with { Folder = In("run") } }).Fit(pairs);
        IDataView rows = Ml.Data.LoadFromEnumerable([new Pair { Prompt = "abc" }]);
        Ml.Model.Save(Ml.Gpt().Transforms.GenerateText("Completion", "Prompt", model, temperature: 0).Fit(rows), rows.Schema, In("model.zip"));
        using var loaded = (GenerateTextTransformer)Ml.Model.Load(In("model.zip"), out _);
        using GptModel saved = GptModel.FromCheckpoint(In("saved"), GptDevice.Cpu), onnx = GptModel.FromOnnx(In("package"), GptDevice.Cpu),
            resumed = GptModel.FromCheckpoint(RunCheckpoints.FindLast(In("run"))!, GptDevice.Cpu);
        foreach (GptModel again in (GptModel[])[model, saved, onnx, loaded.Model, tuned.Model, resumed])
        {
            CollectionAssert.AreEqual(new[] { end }, again.Generation.StopTokenIds.ToArray());
            Assert.AreEqual(begin, again.BeginTokenId);
        }

        foreach (GptModel again in (GptModel[])[model, saved, onnx, loaded.Model])
        {
            GeneratedText text = again.Generate(["abc"], new() { Temperature = 0, MaxNewTokens = 8 })[0];
            Assert.AreEqual(("", FinishReason.StopToken), (text.Text, text.FinishReason));
            Assert.AreEqual(LogProbability(again.Engine, begin, Letters.Encode("a")[0]), again.Score("abc").TokenLogProbabilities[0], 1e-5); // it stands before the text
        }
    }

    /// <summary>Of a token behind another, which is the first.</summary>
    private static double LogProbability(ICausalModel engine, int first, int second)
    {
        float[] logits = new float[engine.Config.VocabularySize];
        using ICausalDecoder decoder = engine.BeginDecoding(1, 1);
        decoder.Append([first], [], LogitsScope.LastPosition, logits);
        return logits[second] - Math.Log(logits.Sum(static logit => Math.Exp(logit)));
    }

    private static SupervisedFineTuningOptions FineTuning { get; } = new()
    {
        Epochs = 1,
        BatchSize = 1,
        MicroBatchSize = 1,
        Evaluation = new() { ValidationFraction = 0 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
        Generation = new() { MaxNewTokens = 2, Temperature = 0 },
    };

    private string Checkpoint => In("checkpoint");

    private string In(string name) => Path.Combine(_folder, name);

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }
}

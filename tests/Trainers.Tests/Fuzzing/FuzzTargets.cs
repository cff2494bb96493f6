using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>Every parser of files and of users' text, each with a small valid input.</summary>
internal static class FuzzTargets
{
    private const string Text = "to be or not to be, that is the question: whether 'tis nobler in the mind to suffer";

    private const string Schema = """
        {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[a-z]{1,3}$"}, "age": {"type": "integer", "minimum": 0, "maximum": 120}, "tags": {"type": "array", "items": {"enum": ["a", "b", 1, null]}, "maxItems": 2},
         "child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["name"], "additionalProperties": false, "$defs": {"unused": {"const": 1.5}}}
        """;

    private const string Gbnf = "root ::= item (\", \" item)* [\\n]?\nitem ::= word | number{1,2}\nword ::= [a-z]+ # letters\nnumber ::= \"-\"? [0-9]+ (\".\" [0-9]+)?\n";

    private static readonly GptTokenizer Tokenizer = GptTokenizer.TrainBytePairEncoding([Text], new BytePairTrainingOptions { VocabularySize = 270, MinimumFrequency = 1 });

    private static readonly GptConfig Config = new() { VocabularySize = Tokenizer.VocabularySize, ContextLength = 6, EmbeddingSize = 4, LayerCount = 1, HeadCount = 2 };

    private static readonly MLContext Ml = new(seed: 1);

    private const string ConversationId = "a/../b";

    private static readonly string ConversationFile = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ConversationId))) + ".json";

    private static readonly ModelCompanions Companions = LoadCompanions();

    private static readonly GptNetwork Network = GptNetwork.FromWeights(new Weights(), GptDevice.Cpu, trainable: false);

    private static readonly GptModel SessionModel = new(new TorchCausalModel(GptNetwork.FromWeights(new Weights(), GptDevice.Cpu, trainable: false)), Tokenizer);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        // Checkpoints.
        Json("config.json", "config.json", WriteCheckpoint, static folder => GptConfigJson.Read(Path.Combine(folder, "config.json"))),
        Json("config.json of a checkpoint", "config.json", WriteCheckpoint, OpenCheckpoint),
        Json("config.json of a classifier", "config.json", WriteClassifierConfig, static folder => ClassifierConfigJson.Read(Path.Combine(folder, "config.json"))),
        Json("generation_config.json", "generation_config.json", WriteCheckpoint, OpenCheckpoint),
        Json("model.safetensors.index.json", "model.safetensors.index.json", WriteShards, OpenCheckpoint),
        new("model.safetensors", "model.safetensors", WriteCheckpoint, Mutations.Bytes, OpenCheckpoint),
        new("safetensors header", "model.safetensors", WriteCheckpoint, MutateHeader, OpenCheckpoint),
        Json("adapter_config.json", LoraCheckpoint.ConfigFile, WriteAdapter, OpenAdapter),
        new("adapter_model.safetensors", LoraCheckpoint.WeightsFile, WriteAdapter, MutateHeader, OpenAdapter),

        Json("reward.json", "training_state/reward.json", WriteReward, static folder => RewardCheckpoint.Open(folder, GptDevice.Cpu).Dispose()),

        // Tokenizers.
        Json("tokenizer.json", "tokenizer.json", Tokenizer.Save, OpenTokenizer),
        Json("tokenizer.json of characters", "tokenizer.json", GptTokenizer.FromCharacters([Text]).Save, OpenTokenizer),
        Json("vocab.json", "vocab.json", WritePair, OpenTokenizer),
        new("merges.txt", "merges.txt", WritePair, Mutations.Lines, OpenTokenizer),
        Json("added_tokens.json", "added_tokens.json", WritePair, OpenTokenizer),
        Json("special_tokens_map.json", "special_tokens_map.json", WritePair, OpenTokenizer),
        Json("tokenizer_config.json", "tokenizer_config.json", WritePair, OpenTokenizer),
        new("tiktoken's ranks", "ranks.tiktoken", WriteRanks, Mutations.Lines, static folder => Use(GptTokenizer.FromTiktoken(Path.Combine(folder, "ranks.tiktoken")))),

        // Conversations and prompts.
        Json("chat_template.json", ChatTemplate.FileName, ChatTemplate.Default.Save, static folder => ChatTemplate.Load(folder)),
        Json("conversation", "conversation.json", WriteConversation, ReadConversation),
        new("prompt template", "prompt.txt", static folder => File.WriteAllText(Path.Combine(folder, "prompt.txt"), "Question: {Question}\nOf {{this}}: {A} {B}"), Mutations.Bytes, static folder => PromptTemplate.Parse(ReadText(folder, "prompt.txt"))),

        Json("kept conversation", ConversationFile, WriteKeptConversation, ReadKeptConversation),

        // Constraints.
        Json("JSON Schema", "schema.json", static folder => File.WriteAllText(Path.Combine(folder, "schema.json"), Schema), static folder => Constrain(TextConstraint.JsonSchema(ReadText(folder, "schema.json")))),
        new("regular expression", "pattern.txt", static folder => File.WriteAllText(Path.Combine(folder, "pattern.txt"), @"(?:a|b{2,3}[^c-e]\d+|\u00e9?.)*\.(x|yz)$"), Mutations.Bytes, static folder => Constrain(TextConstraint.Regex(ReadText(folder, "pattern.txt")))),
        new("grammar", "grammar.gbnf", static folder => File.WriteAllText(Path.Combine(folder, "grammar.gbnf"), Gbnf), Mutations.Bytes, static folder => Constrain(TextConstraint.Grammar(ReadText(folder, "grammar.gbnf")))),

        // Data.
        Json("corpus.json", "corpus.json", WriteCorpus, static folder => Corpus.Open(folder).Dispose()),
        new("token file", "train.tokens", WriteCorpus, Mutations.Bytes, ReadTokens),
        new("token file's header", "train.tokens", WriteCorpus, static (valid, random) => Mutations.Within(valid, random, 0, 128, Mutations.Bytes), ReadTokens),

        // Evaluation sets.
        new("TruthfulQA.csv", "questions.csv", static folder => File.WriteAllText(Path.Combine(folder, "questions.csv"), "Category,Question,Best Answer,Correct Answers,Incorrect Answers\nMyths,\"Do pigs, say, fly?\",No,No; Never,\"Yes; Only on \"\"Tuesdays\"\"\"\n"), Mutations.Lines,
            static folder => TruthfulQaQuestion.Load(Path.Combine(folder, "questions.csv"))),
        new("realtoxicityprompts.jsonl", "prompts.jsonl", static folder => File.WriteAllText(Path.Combine(folder, "prompts.jsonl"), "{\"prompt\":{\"text\":\"So I\",\"toxicity\":0.3}}\n{\"prompt\":{\"text\":\"The sky\",\"toxicity\":null}}\n"), Mutations.Lines,
            static folder => ToxicityPrompt.Load(Path.Combine(folder, "prompts.jsonl"))),

        // Runs.
        Json("training state", "training_state/state.json", WriteState, static folder => TrainingCheckpoint.Open(folder).RequireWhole()),
        new("training state's tensors", "training_state/state.safetensors", WriteState, MutateHeader, static folder => TrainingCheckpoint.Open(folder).RequireWhole()),
        new("head.safetensors", "training_state/head.safetensors", WriteReward, MutateHeader, static folder => RewardCheckpoint.Open(folder, GptDevice.Cpu).Dispose()),
        new("rollout.safetensors", "training_state/rollout.safetensors", WriteRollout, MutateHeader, ReadRollout),
        new("rollout.safetensors's numbers", "training_state/rollout.safetensors", WriteRollout, MutateNumbers, ReadRollout),
        Json("training state of a policy", "training_state/state.json", WritePolicyState, static folder => TrainingCheckpoint.Open(folder).RequireWhole()),
        Json("best.json", "training_state/best.json", WriteState, static folder => BestRecord.Read(folder)),
        new("metrics.jsonl", "metrics.jsonl", WriteMetrics, Mutations.Json, static folder => new MetricsFile(folder).Resume(reportedStep: 10)),

        // What is deployed.
        new("ONNX package", "model.onnx", WritePackage, MutateGraph, OpenPackage),
        new("ONNX package's metadata", "model.onnx", WritePackage, AddMetadata, OpenPackage),
        Json("heads in an ONNX package's config.json", "config.json", WriteHeads, OpenPackage),
        Json("classifier package's config.json", "config.json", static folder => OnnxExporter.WriteClassifier(new Classes(), folder), static folder => OnnxTextClassifier.Load(folder, GptDevice.Cpu).Dispose()),
        Json("reward package's config.json", "config.json", static folder => OnnxExporter.WriteReward(new Rewards(), folder), static folder => OnnxRewardModel.Load(folder, GptDevice.Cpu).Dispose()),
        new("genai_config.json", OnnxPackageLayout.GenAiConfigFile, WriteGenAiConfig, Mutations.Json, static folder => GenAiConfigJson.WriteCompanions(folder, Companions, Tokenizer)) { IsPassedOver = true },
        new("saved session", "state", WriteSession, Mutations.Bytes, RestoreSession),
        new("saved session with the right checksums", "state", WriteSession, MutateSession, RestoreSession),
        Json("adapter in an ONNX package", OnnxPackageLayout.AdapterPrefix("a") + LoraCheckpoint.ConfigFile, WriteAdaptablePackage, OpenPackage),
        Json("ONNX package's config.json", "config.json", WritePackage, OpenPackage),
        new("model.zip", "model.zip", WriteModelFile, Mutations.Bytes, OpenModelFile) { IsReadByOthers = true },
        new("model.zip's settings", "model.zip", WriteModelFile, MutateSettings, OpenModelFile) { IsReadByOthers = true },
    ];

    private static FuzzTarget Json(string name, string file, Action<string> prepare, Action<string> read) => new(name, file, prepare, Mutations.Json, read) { IsJson = true };

    /// <summary>Compiles a constraint and follows it for some tokens.</summary>
    private static void Constrain(TextConstraint constraint)
    {
        ITokenMask mask = constraint.Compile(Tokenizer).Begin([], [Tokenizer.EndOfTextId]);
        var tokens = new List<int>();
        float[] logits = new float[Tokenizer.VocabularySize];
        for (int i = 0; i < 4; i++)
        {
            Array.Clear(logits);
            mask.Apply(tokens.ToArray(), logits);
            int next = Array.FindIndex(logits, static logit => !float.IsNegativeInfinity(logit));
            if (next < 0 || next == Tokenizer.EndOfTextId) break;
            tokens.Add(next);
        }
    }

    private static void WriteCheckpoint(string folder)
    {
        string target = Path.Combine(folder, "written");
        GptCheckpoint.Write(target, new Weights(), Tokenizer);
        foreach (string file in Directory.EnumerateFiles(target)) File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(target);
    }

    private static void OpenCheckpoint(string folder)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder);
        float[] values = new float[checkpoint.Config.EmbeddingSize];
        checkpoint.Read(GptParameterLayout.Of(checkpoint.Config)[^1].Name, values);
        _ = ModelCompanions.Load(folder, Tokenizer);
    }

    private static void WriteClassifierConfig(string folder) =>
        File.WriteAllText(Path.Combine(folder, "config.json"), ClassifierConfigJson.Write(Config, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["good", "bad"] }, 0));

    private static void WriteShards(string folder)
    {
        WriteCheckpoint(folder);
        const string Shard = "model-00001-of-00001.safetensors";
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, Shard));
        using SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(folder, Shard));
        var index = new { metadata = new { total_size = 1_000 }, weight_map = file.Tensors.ToDictionary(static tensor => tensor.Name, static _ => Shard) };
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), JsonSerializer.Serialize(index));
    }

    /// <summary>Damages the JSON of a safetensors file, and writes the length that belongs to it; sometimes anything else.</summary>
    private static byte[] MutateHeader(byte[] valid, Random random)
    {
        if (random.Next(4) == 0) return Mutations.Bytes(valid, random);
        int length = checked((int)BinaryPrimitives.ReadInt64LittleEndian(valid));
        byte[] json = Mutations.Json(valid[8..(8 + length)], random), prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, json.Length);
        return [.. prefix, .. json, .. valid[(8 + length)..]];
    }

    private static void WriteAdapter(string folder)
    {
        string target = Path.Combine(folder, "written");
        LoraCheckpoint.Write(target, Config, new LoraOptions { Rank = 2 }, static (_, values) => values.AsSpan().Fill(0.5f), "base");
        foreach (string file in Directory.EnumerateFiles(target)) File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(target);
    }

    private static void OpenAdapter(string folder) => LoraCheckpoint.Open(folder, Config).Dispose();

    private static void WritePair(string folder)
    {
        Tokenizer.Save(folder);
        File.Delete(Path.Combine(folder, "tokenizer.json"));
        int next = Tokenizer.VocabularySize;
        File.WriteAllText(Path.Combine(folder, "added_tokens.json"), $$"""{"<|a|>": {{next}}, "<|b|>": {{next + 1}}}""");
        File.WriteAllText(Path.Combine(folder, "special_tokens_map.json"), """{"bos_token": "<|endoftext|>", "pad_token": {"content": "<|a|>", "lstrip": false, "rstrip": false}, "additional_special_tokens": ["<|b|>"]}""");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), $$$"""{"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false, "added_tokens_decoder": {"{{{next}}}": {"content": "<|a|>", "special": true}}, "model_max_length": 1024}""");
    }

    private static void WriteRanks(string folder)
    {
        var lines = new StringBuilder();
        for (int value = 0; value < 256; value++) lines.Append(Convert.ToBase64String([(byte)value])).Append(' ').Append(value).Append('\n');
        foreach ((string token, int i) in ((string[])["to", "be", " to", " be", "th", "the", " the"]).Select(static (token, i) => (token, i)))
            lines.Append(Convert.ToBase64String(Encoding.UTF8.GetBytes(token))).Append(' ').Append(256 + i).Append('\n');
        File.WriteAllText(Path.Combine(folder, "ranks.tiktoken"), lines.ToString());
    }

    private static void OpenTokenizer(string folder) => Use(GptTokenizer.Load(folder));

    private static void Use(GptTokenizer tokenizer)
    {
        if (tokenizer.Kind == GptTokenizerKind.ByteLevelBpe) _ = tokenizer.Decode(tokenizer.Encode(Text + "<|a|> 😀"));
    }

    private static void WriteConversation(string folder) => File.WriteAllText(Path.Combine(folder, "conversation.json"),
        ConversationJson.Write([ConversationTurn.System("Be brief."), ConversationTurn.User("2 + 2?"), ConversationTurn.Assistant("4 😀")]));

    private static void ReadConversation(string folder)
    {
        IReadOnlyList<ConversationTurn> turns = ConversationJson.Parse(ReadText(folder, "conversation.json"));
        _ = ChatTemplate.Default.Render(turns, Tokenizer);
    }

    /// <summary>A file as text; a byte that is no UTF-8 becomes half of a surrogate pair, so that such strings are tried too.</summary>
    private static string ReadText(string folder, string name)
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, name));
        var text = new StringBuilder();
        for (int at = 0; at < bytes.Length;)
        {
            bool whole = Rune.DecodeFromUtf8(bytes.AsSpan(at), out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            if (whole) text.Append(rune.ToString());
            else text.Append((char)(0xDC00 + bytes[at]));
            at += whole ? length : 1;
        }

        return text.ToString();
    }

    private static void WriteCorpus(string folder)
    {
        string target = Path.Combine(folder, "written");
        using (Corpus.Build([Text, "another text", "a third one", "and the last of them"], Tokenizer, target, new CorpusOptions { ValidationFraction = 0 })) { }
        foreach (string file in Directory.EnumerateFiles(target)) File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(target);
    }

    private static void ReadTokens(string folder)
    {
        using TokenFile file = TokenFile.Open(Path.Combine(folder, "train.tokens"));
        int[] tokens = new int[checked((int)file.TokenCount)];
        file.Read(0, tokens);
        for (int document = 0; document < file.DocumentCount; document++) _ = file.RangeOf(document);
        if (file.TokenCount > 4) _ = new PackedRows(file, 4).RowCount;
    }

    private static void WriteReward(string folder)
    {
        using var network = new RewardNetwork(GptNetwork.FromWeights(new Weights(), GptDevice.Cpu, trainable: false), new RewardHead { Readout = RewardReadout.ReadoutToken }, trainable: false);
        string target = Path.Combine(folder, "written");
        RewardCheckpoint.Write(target, network, Tokenizer, template: null);
        foreach (string entry in Directory.EnumerateFileSystemEntries(target)) Directory.Move(entry, Path.Combine(folder, Path.GetFileName(entry)));
        Directory.Delete(target);
    }

    private static void WriteRollout(string folder) => RolloutFile.Write(folder, new(
    [
        new(0, [1, 2], [3, 4], true) { LogProbabilities = [-1, -2], ReferenceLogProbabilities = [-1, -2], Values = [0, 1], Advantages = [0.5f, 0.25f], Returns = [1, 2] },
        new(1, [5], [6, 7, 8], false) { LogProbabilities = [-1, -2, -3], ReferenceLogProbabilities = [-1, -2, -4], Values = [0, 1, 2], Advantages = [0.5f], Returns = [1, 2, 3], Counts = false },
    ], 0.05, [1, 2, 0.5]));

    private static void ReadRollout(string folder)
    {
        Rollout rollout = RolloutFile.Read(folder, new(Config, PromptCount: 2, RowCount: 2, MetricCount: 3, HasValues: true));

        // What the next update does with it.
        using var scope = torch.NewDisposeScope();
        var batch = new PolicyBatch(rollout.Rows, torch.CPU);
        _ = batch.LogProbabilities(Network, batch.States(Network), 1);
        foreach (Func<RolloutRow, float[]> numbers in (Func<RolloutRow, float[]>[])[static row => row.LogProbabilities, static row => row.Advantages, static row => row.Values, static row => row.Returns]) _ = batch.Of(numbers);
    }

    /// <summary>Puts other whole numbers into the tensors behind the header.</summary>
    private static byte[] MutateNumbers(byte[] valid, Random random)
    {
        byte[] bytes = [.. valid];
        int start = 8 + checked((int)BinaryPrimitives.ReadInt64LittleEndian(valid)), count = (bytes.Length - start) / sizeof(int);
        int[] edges = [0, 1, -1, 2, 7, Config.VocabularySize - 1, Config.VocabularySize, int.MaxValue, int.MinValue, 1 << 20];
        for (int changes = random.Next(1, 4); changes > 0; changes--)
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(start + (sizeof(int) * random.Next(count))), edges[random.Next(edges.Length)]);
        return bytes;
    }

    private static void WritePolicyState(string folder)
    {
        WriteState(folder);
        string path = Path.Combine(folder, "training_state", "state.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"kind\": \"pretraining\"", $"\"kind\": \"{Fingerprint.PolicyOptimization}\"", StringComparison.Ordinal)
            .Replace("\"skipped_updates\"", """
                "policy": {"rollouts": 2, "kl_coefficient": 0.05, "kl": 0.1, "score": 1.5, "score_count": 16, "score_mean": 1.25, "score_squares": 3, "is_over_limit": false}, "metrics": {"score": {"sum": 3, "weight": 2}}, "skipped_updates"
                """, StringComparison.Ordinal));
    }

    private static void WriteState(string folder)
    {
        string state = Directory.CreateDirectory(Path.Combine(folder, "training_state")).FullName;
        File.WriteAllText(Path.Combine(state, "state.json"), """
            {"version": 3, "kind": "pretraining", "seed": 11, "state": {"step": 8, "position": {"epoch": 1, "index": 5}, "row_part": 0, "tokens": 4096, "reported_step": 8, "evaluated_step": -1,
             "learning_rate": 0.001, "gradient_norm": 0.5, "loss_sum": 3.5, "loss_steps": 1, "auxiliary_loss_sum": 0, "auxiliary_loss_weight": 0, "recent_losses": [3.5, 3.4], "loss_spikes": 0,
             "validation_loss": null, "best_validation_loss": 3.25, "best_step": 4, "evaluations_since_best": 0, "skipped_updates": 1, "skipped_in_a_row": 0},
             "optimizer_steps": 7, "options": {"BatchSize": "4", "Optimizer.LearningRate": "0.003"}}
            """);
        File.WriteAllText(Path.Combine(state, "best.json"), """{"step": 4, "validation_loss": 3.25}""");
        SafeTensorsWriter.Write(Path.Combine(state, "state.safetensors"), [new SafeTensorInfo("first_moment.a", SafeTensorType.Float32, [2, 3]), new SafeTensorInfo("second_moment.a", SafeTensorType.Float32, [2, 3])],
            static (_, stream) => stream.Write(new byte[24]));
    }

    private static void WriteMetrics(string folder)
    {
        var file = new MetricsFile(folder);
        for (int step = 1; step <= 3; step++) file.Add(new TrainingProgress(step, 10, step * 64L, 3.5 / step, 1e-3, 0.5, 1_000, step == 2 ? 3.25 : null, TimeSpan.FromSeconds(step), TimeSpan.Zero), []);
    }

    private static void WritePackage(string folder)
    {
        string target = Path.Combine(folder, "written");
        OnnxExporter.Write(new Weights(), target, new OnnxExportOptions { TokenizerHash = "c0ffee" });
        foreach (string file in Directory.EnumerateFiles(target)) File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(target);
    }

    private static void OpenPackage(string folder) => OnnxCausalModel.Load(folder, GptDevice.Cpu, new OnnxEngineOptions { ThreadCount = 1 }).Dispose();

    private static void WriteAdaptablePackage(string folder)
    {
        OnnxExporter.Write(new Weights(), folder, new OnnxExportOptions { AdaptableProjections = LoraProjections.Attention });
        LoraCheckpoint.WriteFiles(folder, OnnxPackageLayout.AdapterPrefix("a"), Config, new LoraOptions { Rank = 2 }, static (_, values) => values.AsSpan().Fill(0.5f));
    }

    private static void WriteHeads(string folder) => OnnxExporter.Write(new Weights(), folder, new OnnxExportOptions
    {
        Heads = [OnnxHead.Classifier("class", new Classes()), OnnxHead.Reward("reward", new Rewards()), OnnxHead.Embedding("vector")],
    });

    private static void WriteGenAiConfig(string folder) => File.WriteAllText(Path.Combine(folder, OnnxPackageLayout.GenAiConfigFile), GenAiConfigJson.Write(Config, Tokenizer.EndOfTextId, sharesCache: true));

    private static ModelCompanions LoadCompanions()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-fuzz-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"bos_token_id": 3, "eos_token_id": [4, 5], "do_sample": true, "temperature": 0.5, "top_k": 7}""");
            return ModelCompanions.Load(folder, Tokenizer);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteKeptConversation(string folder)
    {
        using ChatConversations.Kept kept = new ChatConversations(1, folder).EnterAsync(ConversationId, default).GetAwaiter().GetResult();
        kept.Add(
        [
            new(ChatRole.System, "Be brief."), new(ChatRole.User, [new TextContent("2 + 2?"), new DataContent(new byte[] { 1, 2, 3 }, "image/png"), new UriContent("https://example.org/a.png", "image/png")]) { AuthorName = "ann", MessageId = "m1" },
            new(ChatRole.Assistant, [new FunctionCallContent("c1", "add", new Dictionary<string, object?> { ["a"] = 2, ["b"] = "two" })]), new(ChatRole.Tool, [new FunctionResultContent("c1", 4)]), new(ChatRole.Assistant, "4 😀"),
        ]);
    }

    private static void ReadKeptConversation(string folder)
    {
        using ChatConversations.Kept kept = new ChatConversations(1, folder).EnterAsync(ConversationId, default).GetAwaiter().GetResult();
        if (kept.Messages.Count == 0) throw new InvalidOperationException("The file was taken for none.");
        foreach (ChatMessage message in kept.Messages) _ = message.Text;
    }

    private static void WriteSession(string folder)
    {
        using GptSession session = SessionModel.BeginSession();
        session.Continue("to", new() { MaxNewTokens = 2, StopAtEndOfText = false });
        session.Save(Path.Combine(folder, "state"));
    }

    private static void RestoreSession(string folder) => SessionModel.RestoreSession(Path.Combine(folder, "state")).Dispose();

    /// <summary>Damages one of the two parts of a session's file, and writes the checksum that belongs to it.</summary>
    private static byte[] MutateSession(byte[] valid, Random random)
    {
        const int Header = 16, Checksum = 32;
        int end = Header + BinaryPrimitives.ReadInt32LittleEndian(valid.AsSpan(12));
        byte[] text = valid[..end], state = valid[(end + Checksum)..^Checksum];
        if (random.Next(2) == 0)
        {
            byte[] json = random.Next(4) == 0 ? Mutations.Bytes(text[Header..], random) : Mutations.Json(text[Header..], random);
            text = [.. text[..Header], .. json];
            BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(12), json.Length);
        }
        else
        {
            state = Mutations.Within(state, random, 0, Math.Min(112, state.Length), Mutations.Bytes);
        }

        return [.. text, .. SHA256.HashData(text), .. state, .. SHA256.HashData(state)];
    }

    /// <summary>Damages the graph, which is what a file begins with; sometimes the weights behind it.</summary>
    private static byte[] MutateGraph(byte[] valid, Random random) =>
        random.Next(2) == 0 ? Mutations.Bytes(valid, random) : Mutations.Within(valid, random, 0, Math.Min(6_000, valid.Length), static (part, r) =>
        {
            part[r.Next(part.Length)] ^= (byte)(1 << r.Next(8));
            return part;
        });

    /// <summary>Adds an entry to the metadata: field 14 of the model, a key (field 1) and a value (field 2).</summary>
    private static byte[] AddMetadata(byte[] valid, Random random)
    {
        string[] keys = ["mlnet.gpt.format_version", "mlnet.gpt.config", "mlnet.gpt.tokenizer_hash", OnnxPackageLayout.AdaptersKey, "other", ""];
        byte[] key = Encoding.UTF8.GetBytes(keys[random.Next(keys.Length)]), value = Encoding.UTF8.GetBytes(random.Next(2) == 0 ? GptConfigJson.Write(Config) : random.Next(2) == 0 ? "1" : "attn.c_attn,mlp.c_fc");
        if (random.Next(2) == 0) key = Mutations.Bytes(key, random);
        if (random.Next(2) == 0) value = Mutations.Json(value, random);
        byte[] entry = [.. Field(1, key), .. Field(2, value)];
        if (random.Next(8) == 0) entry = Mutations.Bytes(entry, random);
        return [.. valid, .. Field(14, entry)];

        static byte[] Field(int number, byte[] contents)
        {
            List<byte> bytes = [(byte)((number << 3) | 2)];
            int length = contents.Length;
            for (; length > 127; length >>= 7) bytes.Add((byte)((length & 0x7F) | 0x80));
            bytes.Add((byte)length);
            return [.. bytes, .. contents];
        }
    }

    private static void WriteModelFile(string folder)
    {
        IDataView data = Ml.Data.LoadFromEnumerable([new Question { Prompt = Text }]);
        ITransformer transformer = Ml.Gpt().Transforms.TokenizeText("Tokens", "Prompt", Tokenizer).Fit(data);
        string packed = Path.Combine(folder, "packed.zip");
        Ml.Model.Save(transformer, data.Schema, packed);

        // Entries as they are, so that their contents can be damaged in place.
        using ZipArchive written = ZipFile.OpenRead(packed), plain = ZipFile.Open(Path.Combine(folder, "model.zip"), ZipArchiveMode.Create);
        foreach (ZipArchiveEntry entry in written.Entries)
        {
            using Stream source = entry.Open(), target = plain.CreateEntry(entry.FullName, CompressionLevel.NoCompression).Open();
            source.CopyTo(target);
        }
    }

    private static void OpenModelFile(string folder)
    {
        string temporary = Path.Combine(folder, "temporary");
        Directory.CreateDirectory(temporary);
        ITransformer transformer = new MLContext(seed: 1) { TempFilePath = temporary }.Model.Load(Path.Combine(folder, "model.zip"), out _);
        (transformer as IDisposable)?.Dispose();
    }

    /// <summary>Damages what this library's transformer wrote: its kind, its settings and the list of its files.</summary>
    private static byte[] MutateSettings(byte[] valid, Random random)
    {
        int start = valid.AsSpan().IndexOf("\fTokenizeText"u8), settings = start + valid.AsSpan(start).IndexOf((byte)'{');
        int length = valid.AsSpan(settings).IndexOf((byte)'}') + 1, end = settings + length + 200;
        return FixChecksums(random.Next(2) == 0
            ? Mutations.Within(valid, random, settings, length, Mutations.Json)
            : Mutations.Within(valid, random, start - 4, end - start, Mutations.Bytes));
    }

    /// <summary>Writes the checksums that the entries of a zip have now, in the directory and in the local headers.</summary>
    private static byte[] FixChecksums(byte[] zip)
    {
        for (int at = 0; (at = zip.AsSpan().IndexOf("PK\x01\x02"u8, at)) >= 0; at += 46)
        {
            int size = BitConverter.ToInt32(zip, at + 20), local = BitConverter.ToInt32(zip, at + 42);
            int data = local + 30 + BitConverter.ToUInt16(zip, local + 26) + BitConverter.ToUInt16(zip, local + 28);
            uint crc = Crc32(zip.AsSpan(data, size));
            BinaryPrimitives.WriteUInt32LittleEndian(zip.AsSpan(at + 16), crc);
            BinaryPrimitives.WriteUInt32LittleEndian(zip.AsSpan(local + 14), crc);
        }

        return zip;
    }

    private static int IndexOf(this Span<byte> bytes, ReadOnlySpan<byte> what, int from)
    {
        int at = bytes[from..].IndexOf(what);
        return at < 0 ? -1 : from + at;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB8_8320 & (0 - (crc & 1)));
        }

        return ~crc;
    }

    private sealed class Question
    {
        public string Prompt { get; set; } = "";
    }

    /// <summary>Weights of the small model.</summary>
    private sealed class Weights : IGptWeights
    {
        public GptConfig Config => FuzzTargets.Config;

        public void Read(string name, Span<float> destination) => destination.Fill(0.25f);
    }

    /// <summary>Them with a task's head.</summary>
    private sealed class Classes : IClassifierWeights
    {
        public GptConfig Config => FuzzTargets.Config;

        public ClassifierHead Head { get; } = new() { Task = SupervisedTask.TextClassification, Labels = ["good", "bad"] };

        public void Read(string name, Span<float> destination) => destination.Fill(0.25f);
    }

    /// <summary>Them with a reward model's.</summary>
    private sealed class Rewards : IRewardWeights
    {
        public GptConfig Config => FuzzTargets.Config;

        public RewardHead Head { get; } = new() { Readout = RewardReadout.ReadoutToken };

        public void Read(string name, Span<float> destination) => destination.Fill(0.25f);
    }
}

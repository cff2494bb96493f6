using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Tool.Tests;

[TestClass]
public sealed partial class ToolTests
{
    private static TemporaryFolder folder = null!;
    private static string trainingOutput = null!;

    private static string Run => folder["run"];

    private static string Model => Path.Combine(Run, "model");

    // A word follows another as the alphabet has it: a model that has seen this knows what comes next.
    private static string Corpus => string.Join("\n\n", Enumerable.Range(0, 200).Select(static i => string.Join(' ', Enumerable.Range(0, 10 + (i / Words.Length)).Select(j => Words[(i + j) % Words.Length]))));

    private static readonly string[] Words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

    [ClassInitialize]
    public static async Task Train(TestContext context)
    {
        folder = new TemporaryFolder();
        folder.Write("corpus.txt", Corpus);
        (int code, trainingOutput, string error) = await CallAsync("", "train", folder["corpus.txt"], "--output", Run, "--steps", "150", "--batch", "8", "--layers", "1", "--width", "32", "--heads", "2", "--context", "64",
            "--vocabulary", "320", "--learning-rate", "1e-2", "--evaluate-every", "30", "--device", "cpu");
        Assert.AreEqual((0, ""), (code, error));
    }

    [ClassCleanup]
    public static void Clean() => folder.Dispose();

    private static async Task<(int Code, string Output, string Error)> CallAsync(string input, params string[] args)
    {
        using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
        int code = await Tool.RunAsync(args, new StringReader(input), output, error);
        return (code, output.ToString(), error.ToString());
    }

    [TestMethod]
    public void Training_reports_its_progress_and_leaves_a_checkpoint_that_knows_more_than_a_guess()
    {
        StringAssert.Contains(trainingOutput, "200 documents");
        StringAssert.Contains(trainingOutput, "step 150/150");
        Match loss = ValidationLoss().Match(trainingOutput);
        Assert.IsTrue(loss.Success, trainingOutput);

        // All that can't be known is where a text begins: one of 8 words. A uniform guess among 320 tokens would be ln 320 = 5.8.
        Assert.IsLessThan(2.0, double.Parse(loss.Groups[1].Value, CultureInfo.InvariantCulture));
        using GptCheckpoint checkpoint = GptCheckpoint.Open(Model);
        Assert.AreEqual((1, 32, 2, 64), (checkpoint.Config.LayerCount, checkpoint.Config.EmbeddingSize, checkpoint.Config.HeadCount, checkpoint.Config.ContextLength));
    }

    [TestMethod]
    public async Task A_checkpoint_and_the_package_that_is_exported_from_it_write_the_same()
    {
        string package = folder["package"];
        (int code, string output, string error) = await CallAsync("", "export", Model, package);
        Assert.AreEqual((0, ""), (code, error));
        StringAssert.Matches(output, new Regex(@"package: \d+\.\d MB"));
        (_, string fromCheckpoint, _) = await CallAsync("", "generate", Model, "gamma delta", "--max-tokens", "12", "--temperature", "0", "--device", "cpu");
        (_, string fromPackage, _) = await CallAsync("gamma delta", "generate", package, "--max-tokens", "12", "--temperature", "0", "--device", "cpu");
        Assert.AreEqual(fromCheckpoint, fromPackage);
        StringAssert.StartsWith(fromPackage, " epsilon zeta eta");
        (_, string stopped, _) = await CallAsync("", "generate", package, "gamma delta", "--stop", " eta", "--temperature", "0");
        Assert.AreEqual(" epsilon zeta", stopped.TrimEnd('\r', '\n'));
        (_, string several, _) = await CallAsync("", "generate", package, "gamma", "--count", "3", "--max-tokens", "2", "--seed", "4");
        Assert.AreEqual(3, Regex.Count(several, "^--- [123]", RegexOptions.Multiline));
    }

    [TestMethod]
    public async Task Each_switch_of_generation_is_the_librarys_option()
    {
        using GptModel model = ModelArgument.Open(Model, GptDevice.Cpu);
        GenerateTextOptions plain = new() { MaxNewTokens = 12, Temperature = 2 };
        foreach ((string name, string value, GenerateTextOptions options) in ((string, string, GenerateTextOptions)[])
        [
            ("--max-tokens", "3", plain with { MaxNewTokens = 3 }), ("--temperature", "1.5", plain with { Temperature = 1.5f }), ("--top-k", "2", plain with { TopK = 2 }), ("--top-p", "0.5", plain with { TopP = 0.5f }),
            ("--repetition-penalty", "20", plain with { RepetitionPenalty = 20 }),
        ])
        {
            // The first seed with which the option matters: it would be another text without it, and with another seed.
            string Text(GenerateTextOptions some, int with) => model.Generate("gamma", some with { Seed = with });
            int seed = Enumerable.Range(0, 1_000).First(one => Text(options, one) is { Length: > 0 } text && text != Text(plain, one) && text != Text(options, one + 1));
            List<string> args = ["generate", Model, "gamma", "--device", "cpu", "--seed", seed.ToString(CultureInfo.InvariantCulture), name, value];
            if (name != "--max-tokens") args.AddRange("--max-tokens", "12");
            if (name != "--temperature") args.AddRange("--temperature", "2");
            (int code, string output, string error) = await CallAsync("", [.. args]);
            Assert.AreEqual((0, ""), (code, error), name);
            Assert.AreEqual(Text(options, seed), output[..^Environment.NewLine.Length], name);
        }
    }

    [TestMethod]
    public async Task A_model_that_is_fine_tuned_on_conversations_answers_in_a_chat_as_they_do()
    {
        // Another word than those that follow in pretraining.
        folder.Write("chats.jsonl", string.Join('\n', Enumerable.Range(0, 160).Select(static i => $$"""{"messages":[{"role":"user","content":"{{Words[i % 8]}}"},{"role":"assistant","content":"theta alpha"}]}""")));
        string run = folder["answers"];
        string[] args = ["finetune", Model, folder["chats.jsonl"], "--output", run, "--epochs", "6", "--batch", "16", "--learning-rate", "4e-3", "--validation", "0.2", "--device", "cpu"];
        (int code, string output, string error) = await CallAsync("", args);
        Assert.AreEqual((0, ""), (code, error));
        StringAssert.Contains(output, "160 conversations");
        StringAssert.Contains(output, "128 examples"); // 32 are held out
        StringAssert.Contains(output, "step 48/48");
        Assert.AreEqual("> theta alpha\n> ", (await CallAsync("gamma\n", "chat", Path.Combine(run, "model"), "--temperature", "0", "--device", "cpu")).Output.ReplaceLineEndings("\n"));
        Assert.IsFalse(Directory.Exists(Path.Combine(run, "adapter")));

        // The same options go on, to the same; others are refused in the command line's words.
        Assert.AreEqual(0, (await CallAsync("", [.. args, "--resume"])).Code);
        args[6] = "9";
        (code, _, error) = await CallAsync("", [.. args, "--resume"]);
        Assert.AreEqual(Tool.WrongUse, code);
        StringAssert.Contains(error, "--epochs was 6 and is 9");
        (code, _, error) = await CallAsync("", args);
        Assert.AreEqual(Tool.WrongUse, code);
        StringAssert.Contains(error, "Give --resume to go on with it, or name another --output.");
    }

    [TestMethod]
    public async Task An_adapter_that_is_fine_tuned_is_written_by_itself_and_merged()
    {
        folder.Write("prompts.jsonl", string.Join('\n', Enumerable.Range(0, 160).Select(static i => $$"""{"prompt":"{{Words[i % 8]}}:","completion":" {{Words[(i + 3) % 8]}}"}""")));
        string run = folder["prompted"], adapter = Path.Combine(run, "adapter");
        (int code, string output, string error) = await CallAsync("", "finetune", Model, folder["prompts.jsonl"], "-o", run, "--lora", "4", "--lora-alpha", "16", "--epochs", "12", "--batch", "16", "--learning-rate", "1e-2", "--packing", "--device", "cpu");
        Assert.AreEqual((0, ""), (code, error));
        StringAssert.Contains(output, "160 prompts with completions");
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(Model))
        using (LoraCheckpoint written = LoraCheckpoint.Open(adapter, checkpoint.Config))
            Assert.AreEqual((4, 16.0, LoraProjections.All), (written.Options.Rank, written.Options.Alpha, written.Options.Projections));
        Assert.AreEqual(0, (await CallAsync("", "export", Model, folder["prompted-package"], "--adapter", adapter)).Code);
        foreach (string model in (string[])[Path.Combine(run, "model"), folder["prompted-package"]])
            Assert.AreEqual(" epsilon", (await CallAsync("", "generate", model, "beta:", "--temperature", "0", "--device", "cpu")).Output.TrimEnd('\r', '\n'), model);
    }

    [TestMethod]
    public async Task What_was_chosen_is_likelier_than_what_was_rejected_after_dpo()
    {
        // The model says the next word; chosen is the last one.
        static string Row(int i, string form) => string.Format(CultureInfo.InvariantCulture, form, Words[i % 6], Words[^1], Words[(i % 6) + 1]);
        folder.Write("pairs.jsonl", string.Join('\n', Enumerable.Range(0, 80).Select(static i => Row(i, """{{"prompt":"{0}","chosen":" {1}","rejected":" {2}"}}"""))));
        folder.Write("choices.jsonl", string.Join('\n', Enumerable.Range(0, 6).Select(static i => Row(i, """{{"prompt":"{0}","choices":[" {1}"," {2}"],"answer":0}}"""))));
        Assert.IsLessThan(0.7, await Accuracy(Model));
        string run = folder["preferred"];
        (int code, string output, string error) = await CallAsync("", "dpo", Model, folder["pairs.jsonl"], "-o", run, "--lora", "4", "--beta", "0.2", "--epochs", "4", "--batch", "16", "--learning-rate", "1e-2", "--device", "cpu");
        Assert.AreEqual((0, ""), (code, error));
        StringAssert.Contains(output, "80 pairs");
        Assert.IsTrue(File.Exists(Path.Combine(run, "adapter", "adapter_config.json")));
        Assert.AreEqual(1, await Accuracy(Path.Combine(run, "model")));

        static async Task<double> Accuracy(string model)
        {
            string output = (await CallAsync("", "evaluate", model, "--choices", folder["choices.jsonl"], "--device", "cpu")).Output;
            return double.Parse(Regex.Match(output, @"^acc +([\d.]+)", RegexOptions.Multiline).Groups[1].Value, CultureInfo.InvariantCulture);
        }
    }

    [TestMethod]
    [DataRow("finetune", """{"prompt":"a","completion":"b"}|[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""", "line 2 is a conversation, and line 1 a prompt with a completion.")]
    [DataRow("finetune", """{"prompt":"a","completion":"b"}||{"prompt":"a","completion":""}""", "line 3 can't be learnt from: the completion in column 'completion' is empty.")]
    [DataRow("finetune", """{"prompt":"a"}""", "line 1 is no example: it has no \"completion\".")]
    [DataRow("finetune", """{"completion":"a"}""", "line 1 is no example: it has no \"prompt\".")]
    [DataRow("finetune", """{"prompt":"a","messages":[]}""", "line 1 is no example: it has \"messages\" beside a prompt or a completion.")]
    [DataRow("finetune", """{"prompt":"a","completion":"b","id":3}""", "line 1 is no example: The JSON property 'id' is none of an example's.")]
    [DataRow("finetune", """[{"role":"user","content":"a"}]""", "line 1 can't be learnt from: the conversation in column 'messages' has no turn of the assistant.")]
    [DataRow("finetune", """{"prompt":"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a","completion":"b b b b b b b b b b b b b b b b b b b b b b b b b b b"}""", "Set --overflow to keep-tail, keep-head or skip")]
    [DataRow("finetune", " |", "there is no example in it.")]
    [DataRow("dpo", """{"prompt":"a","chosen":"b","rejected":"c"}|{"prompt":[{"role":"user","content":"a"}],"chosen":"b","rejected":"c"}""", "line 2 has a conversation for its prompt, and line 1 a text.")]
    [DataRow("dpo", """{"prompt":"a","chosen":"b","rejected":"c"}||{"prompt":"a","chosen":"b","rejected":"b"}""", "line 3 can't be learnt from: the chosen and the rejected response are the same.")]
    [DataRow("dpo", """{"prompt":3,"chosen":"b","rejected":"c"}""", "line 1 is no pair: its prompt is a JSON Number.")]
    [DataRow("dpo", """{"chosen":"b","rejected":"c"}""", "line 1 is no pair:")]
    [DataRow("dpo", """{"prompt":"a","chosen":"b","chosen":"c","rejected":"c"}""", "line 1 is no pair:")]
    public async Task A_line_that_can_t_be_learnt_from_is_named(string command, string lines, string expected)
    {
        folder.Write("wrong.jsonl", lines.Replace('|', '\n'));
        (int code, _, string error) = await CallAsync("", command, Model, folder["wrong.jsonl"], "-o", folder["unused"], "--device", "cpu");
        Assert.AreEqual(Tool.Failure, code, error);
        StringAssert.Contains(error, expected);
        Assert.AreEqual(1, error.Trim().Split('\n').Length);
        Assert.IsFalse(Directory.Exists(Path.Combine(folder["unused"], "checkpoints")));
    }

    [TestMethod]
    public async Task What_becomes_of_long_examples_and_how_conversations_are_told_is_chosen()
    {
        string words = string.Join(' ', Enumerable.Repeat("alpha", 80));
        folder.Write("long.jsonl", $$"""
            {"prompt":"alpha","completion":" beta"}
            {"prompt":"{{words}}","completion":" beta"}
            {"prompt":"alpha","completion":" {{words}}"}
            """);
        foreach ((string choice, string expected) in ((string, string)[])[("skip", "0 cut to the context, 2 left out"), ("keep-tail", "1 cut to the context, 1 left out"), ("keep-head", "1 cut to the context, 1 left out")])
        {
            (int code, string output, string error) = await CallAsync("", "finetune", Model, folder["long.jsonl"], "-o", folder["long-" + choice], "--overflow", choice, "--epochs", "1", "--validation", "0", "--device", "cpu");
            Assert.AreEqual((0, ""), (code, error), choice);
            StringAssert.Contains(output, expected);
        }

        folder.Write("chat.jsonl", """[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""");
        (int refused, _, string message) = await CallAsync("", "finetune", Model, folder["chat.jsonl"], "-o", folder["unused"], "--template", "chatml", "--validation", "0", "--device", "cpu");
        Assert.AreEqual(Tool.Failure, refused);
        StringAssert.Contains(message, "needs the special token '<|im_end|>'");
        StringAssert.Contains(message, "Take --template plain, which needs");
    }

    [TestMethod]
    [DataRow("finetune", "--lora", "0", "--lora is 0; it must be 1 or more.")]
    [DataRow("finetune", "--lora-alpha", "2", "none is trained; give --lora")]
    [DataRow("finetune", "--epochs", "0", "--epochs is 0; it must be 1 or more.")]
    [DataRow("finetune", "--template", "chatml", "--template says how conversations become text")]
    [DataRow("finetune", "--learning-rate", "-1", "--learning-rate is -1; it must be above 0 and finite.")]
    [DataRow("dpo", "--beta", "0", "--beta is 0; it must be above 0 and finite.")]
    [DataRow("dpo", "--validation", "1", "--validation is 1; it must be at least 0 and below 1")]
    [DataRow("dpo", "--batch", "0", "--batch is 0; it must be 1 or more.")]
    public async Task A_setting_of_fine_tuning_outside_its_range_is_named(string command, string option, string value, string expected)
    {
        folder.Write("fine.jsonl", command == "dpo" ? """{"prompt":"a","chosen":"b","rejected":"c"}""" : """{"prompt":"a","completion":"b"}""");
        (int code, _, string error) = await CallAsync("", command, Model, folder["fine.jsonl"], "-o", folder["unused"], option, value, "--device", "cpu");
        Assert.AreEqual(Tool.WrongUse, code, error);
        StringAssert.Contains(error, expected);
    }

    [TestMethod]
    public async Task A_checkpoint_is_exported_in_fewer_bits_and_for_llama_cpp()
    {
        Assert.AreEqual(0, (await CallAsync("", "export", Model, folder["four"], "--weights", "int4", "--weights-beside")).Code);
        Assert.IsTrue(File.Exists(Path.Combine(folder["four"], "model.onnx.data")));
        Assert.IsGreaterThan(0, File.ReadAllBytes(Path.Combine(folder["four"], "model.onnx")).AsSpan().IndexOf("MatMulNBits"u8), "products with weights of four bits");
        (int code, string output, string error) = await CallAsync("", "generate", folder["four"], "gamma", "--max-tokens", "3", "--temperature", "0");
        Assert.AreEqual((0, ""), (code, error), output);
        Assert.AreEqual(0, (await CallAsync("", "export", Model, folder["model.gguf"], "--weights", "int8")).Code);
        CollectionAssert.AreEqual("GGUF"u8.ToArray(), File.ReadAllBytes(folder["model.gguf"])[..4]);
        Assert.AreEqual(Tool.WrongUse, (await CallAsync("", "export", Model, folder["other.gguf"], "--weights", "bfloat16")).Code);
        Assert.AreEqual(Tool.WrongUse, (await CallAsync("", "export", Model, folder["other.gguf"], "--weights-beside")).Code);
    }

    [TestMethod]
    public async Task An_adapter_is_merged_into_what_is_exported_and_quantized()
    {
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(Model))
            LoraCheckpoint.Write(folder["adapter"], checkpoint.Config, new() { Rank = 1, Projections = LoraProjections.All }, static (_, values) => values.AsSpan().Fill(0.1f));
        (string Command, string Target, Action<string> Expected)[] cases =
        [
            ("export", "merged", to => OnnxExporter.ExportMerged(Model, folder["adapter"], to)), ("export", "merged.gguf", to => GgufExporter.ExportMerged(Model, folder["adapter"], to)),
            ("quantize", "merged8", to => OnnxExporter.ExportMerged(Model, folder["adapter"], to, new() { Weights = WeightFormat.Int8 })),
        ];
        foreach ((string command, string target, Action<string> write) in cases)
        {
            (int code, _, string error) = await CallAsync("", command, Model, folder[target], "--adapter", folder["adapter"]);
            Assert.AreEqual((0, ""), (code, error), target);
            string expected = folder["expected-" + target];
            write(expected);
            string file = target.EndsWith(".gguf", StringComparison.Ordinal) ? "" : "model.onnx";
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(expected, file)), File.ReadAllBytes(Path.Combine(folder[target], file)), target);
        }

        Assert.AreEqual(Tool.Failure, (await CallAsync("", "export", Model, folder["refused"], "--adapter", folder["none"])).Code);
    }

    [TestMethod]
    public async Task Quantizing_writes_what_the_library_writes_with_the_same_options()
    {
        (int code, string output, string error) = await CallAsync("", "quantize", Model, folder["quantized"], "--bits", "4", "--block", "32", "--asymmetric", "--embedding-bits", "8", "--method", "round", "--accuracy", "1");
        Assert.AreEqual((0, ""), (code, error));
        StringAssert.Matches(output, new Regex(@"quantized: \d+\.\d MB"));
        OnnxExporter.Export(Model, folder["expected"], new() { Weights = WeightFormat.Int4, Quantization = new() { BlockSize = 32, Symmetric = false, EmbeddingBits = 8, Method = QuantizationMethod.RoundToNearest, AccuracyLevel = 1 } });
        Assert.AreEqual(0, (await CallAsync("", "quantize", Model, folder["eight"])).Code);
        OnnxExporter.Export(Model, folder["expected8"], new() { Weights = WeightFormat.Int8 });
        foreach ((string found, string expected) in ((string, string)[])[("quantized", "expected"), ("eight", "expected8")])
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(folder[expected], "model.onnx")), File.ReadAllBytes(Path.Combine(folder[found], "model.onnx")), found);
    }

    // In a process of its own, on a port that the system chooses, until SIGTERM.
    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [Timeout(120_000, CooperativeCancellation = true)]
    public async Task A_served_model_answers_as_OpenAIs_API_does_what_it_generates()
    {
        string[] serve = ["serve", Model, "--name", "words", "--key", "secret", "--key", "other", "--set", "DefaultNewTokens=12", "--set", "Weights=Int8", "--urls", "http://127.0.0.1:0"];
        using var process = new Process { StartInfo = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Tool.dll"), .. serve]) { RedirectStandardOutput = true, RedirectStandardError = true } };
        process.Start();
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync();
            Match address;
            do address = Listening().Match(await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException(await errors));
            while (!address.Success);
            Task<string> log = process.StandardOutput.ReadToEndAsync();
            using var client = new HttpClient { BaseAddress = new Uri(address.Value) };
            for (bool ready = false; !ready; await Task.Delay(50)) ready = (await client.GetAsync(new Uri("health/ready", UriKind.Relative))).IsSuccessStatusCode;
            foreach ((string key, int status) in ((string, int)[])[("wrong", 401), ("other", 200)])
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Headers = { { "Authorization", $"Bearer {key}" } } };
                request.Content = new StringContent("""{"model":"words","prompt":"gamma delta","temperature":0}""", System.Text.Encoding.UTF8, "application/json");
                using HttpResponseMessage answer = await client.SendAsync(request);
                string body = await answer.Content.ReadAsStringAsync();
                Assert.AreEqual(status, (int)answer.StatusCode, body);
                if (status != 200) continue;

                Assert.AreEqual(0, (await CallAsync("", "quantize", Model, folder["as-served"])).Code);
                using var json = System.Text.Json.JsonDocument.Parse(body);
                using GptModel model = ModelArgument.Open(folder["as-served"], GptDevice.Cpu);
                Assert.AreEqual(model.Generate("gamma delta", new() { MaxNewTokens = 12, Temperature = 0 }), json.RootElement.GetProperty("choices")[0].GetProperty("text").GetString());
            }

            Assert.AreEqual(0, Kill(process.Id, 15));
            await process.WaitForExitAsync();
            Assert.AreEqual((0, ""), (process.ExitCode, await errors), await log);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    [TestMethod]
    public async Task Evaluating_gives_the_librarys_own_measures()
    {
        // What looks like a special token is text, as it is to train.
        string[] texts = ["alpha beta gamma delta", "theta alpha<|endoftext|> beta"];
        folder.Write("heldout.txt", string.Join("\n\n", texts));
        folder.Write("questions.jsonl", """
            {"prompt":"alpha beta","choices":["theta","gamma"],"answer":1}
            {"prompt":"zeta eta","choices":["theta","beta"],"answer":0}

            {"prompt":"zeta","choices":[],"answer":0}
            {"prompt":"zeta eta","choices":["theta","beta"],"answer":7}
            """);
        (int code, string output, string error) = await CallAsync("", "evaluate", Model, "--text", folder["heldout.txt"], "--choices", folder["questions.jsonl"]);
        Assert.AreEqual(0, code, error);
        StringAssert.StartsWith(error, "mlnet-gpt: question 3: "); // it has no answers
        StringAssert.EndsWith(error.TrimEnd(), "mlnet-gpt: question 4: The right answer in column 'answer' is none of the 2 in column 'choices'.", "the names that the file has");
        using GptModel model = ModelArgument.Open(Model, null);
        double nats = -model.Score(texts, new ScoreTextOptions { SpecialTokens = SpecialTokenHandling.AsText }).Sum(static score => score.LogLikelihood);
        int tokens = texts.Sum(text => model.Tokenizer.Encode(text, SpecialTokenHandling.AsText).Length);
        string told = Regex.Match(output, @"^perplexity\s+(\S+)$", RegexOptions.Multiline).Groups[1].Value;
        Assert.AreEqual(1, double.Parse(told, CultureInfo.InvariantCulture) / Math.Exp(nats / tokens), 1e-4, output);
        StringAssert.Matches(output, new Regex(@"acc\s+0\.6667"), output); // two of three: a right answer that is none counts as wrong
        StringAssert.Matches(output, new Regex(@"acc_mutual_info\s+-\s+-\s"), "what was not measured is no number");
        folder.Write("lines.txt", string.Join('\n', texts));
        (_, output, _) = await CallAsync("", "evaluate", Model, "--text", folder["lines.txt"], "--documents", "line");
        Assert.AreEqual(told, Regex.Match(output, @"^perplexity\s+(\S+)$", RegexOptions.Multiline).Groups[1].Value);
    }

    [TestMethod]
    public async Task Tokens_are_shown_with_their_ids_and_counted()
    {
        GptTokenizer tokenizer = GptTokenizer.Load(Model);
        int[] ids = tokenizer.Encode("alpha beta<|endoftext|>", SpecialTokenHandling.AsText);
        (_, string output, _) = await CallAsync("", "tokenize", Model, "alpha beta<|endoftext|>");
        CollectionAssert.AreEqual(ids, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => int.Parse(line.Split('\t')[0], CultureInfo.InvariantCulture)).ToArray());
        StringAssert.Contains(output, "\"alpha\"");

        // U+1F600 is F0 9F 98 80 in UTF-8, of which this vocabulary knows no two together: four parts of one character.
        (_, output, _) = await CallAsync("", "tokenize", Model, "\U0001F600");
        CollectionAssert.AreEqual(new[] { "bytes F0", "bytes 9F", "bytes 98", "bytes 80" }, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Trim().Split('\t')[1]).ToArray());
        Assert.AreEqual($"{ids.Length}", (await CallAsync("alpha beta<|endoftext|>", "tokenize", Model, "--count")).Output.Trim());
        Assert.AreEqual($"{tokenizer.Encode("alpha beta<|endoftext|>").Length}", (await CallAsync("", "tokenize", Model, "alpha beta<|endoftext|>", "--count", "--special")).Output.Trim());
    }

    [TestMethod]
    public async Task A_text_that_begins_with_an_at_sign_is_a_text()
    {
        folder.Write("answer.txt", "gamma --count");
        foreach (string text in (string[])["@alpha", "@" + folder["answer.txt"]])
            Assert.AreEqual((0, $"{GptTokenizer.Load(Model).Encode(text).Length}", ""), await CallAsync("", "tokenize", Model, text, "--count") is var said ? (said.Code, said.Output.Trim(), said.Error) : default, text);
    }

    [TestMethod]
    public async Task The_standard_input_is_read_as_a_file_is()
    {
        foreach ((byte[] bytes, int code, string says) in ((byte[], int, string)[])
        [
            ([0xEF, 0xBB, 0xBF, .. "alpha"u8], 0, "1"), ([0xFF, 0xFE, .. System.Text.Encoding.Unicode.GetBytes("alpha")], 0, "1"), ([.. "caf"u8, 0xE9], Tool.Failure, "the standard input' can't be read: it is no UTF-8 text: it holds the byte E9"),
        ])
        {
            using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
            Assert.AreEqual(code, await Tool.RunAsync(["tokenize", Model, "--count"], TextFiles.Open(new MemoryStream(bytes)), output, error));
            if (code == 0) Assert.AreEqual(says, output.ToString().Trim());
            else StringAssert.Contains(error.ToString(), says);
        }

        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Tool.dll"), "tokenize", Model, "--count"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        await process.StandardInput.BaseStream.WriteAsync((byte[])[0xEF, 0xBB, 0xBF, .. "alpha"u8]);
        process.StandardInput.Close();
        Assert.AreEqual("1", (await process.StandardOutput.ReadToEndAsync()).Trim(), "a byte order mark is no text");
    }

    [TestMethod]
    public async Task Help_that_can_not_be_written_is_an_error()
    {
        using var error = new StringWriter(CultureInfo.InvariantCulture);
        Assert.AreEqual(Tool.Failure, await Tool.RunAsync(["--help"], TextReader.Null, new BrokenWriter(new IOException("No space left")), error));
        Assert.AreEqual("mlnet-gpt: No space left", error.ToString().Trim());
        error.GetStringBuilder().Clear();
        Assert.AreEqual(Tool.Failure, await Tool.RunAsync(["--help"], TextReader.Null, new BrokenWriter(new UnauthorizedAccessException("Access to the path is denied")), error)); // what a console that is closed throws
        Assert.AreEqual("mlnet-gpt: Access to the path is denied", error.ToString().Trim());
    }

    private sealed class BrokenWriter(Exception exception) : StringWriter
    {
        public override void Write(char value) => throw exception;

        public override void Write(string? value) => throw exception;
    }

    [TestMethod]
    public async Task A_most_below_the_models_own_least_is_meant()
    {
        string least = folder["least"];
        Assert.AreEqual(0, (await CallAsync("", "export", Model, least)).Code);
        File.WriteAllText(Path.Combine(least, "generation_config.json"), """{"min_new_tokens":40,"max_new_tokens":50,"do_sample":false}""");
        using GptModel model = GptModel.FromOnnx(least, GptDevice.Cpu);
        Assert.AreEqual((40, 50), (model.Generation.MinNewTokens, model.Generation.MaxNewTokens));
        (int code, string output, string error) = await CallAsync("", "generate", least, "gamma", "--max-tokens", "2", "--temperature", "0");
        Assert.AreEqual((0, ""), (code, error));
        string expected = model.Generate(["gamma"], model.Generation with { MinNewTokens = 2, MaxNewTokens = 2, Temperature = 0 })[0].Text;
        StringAssert.Contains(output, expected);
        Assert.AreEqual(2, model.Generate(["gamma"], model.Generation with { MinNewTokens = 2, MaxNewTokens = 2, Temperature = 0 })[0].TokenCount);
        ChatTemplate.Default.Save(least);
        (code, output, error) = await CallAsync("alpha\n\n", "chat", least, "--max-tokens", "3", "--temperature", "0");
        Assert.AreEqual((0, ""), (code, error), output);
    }

    [TestMethod]
    public async Task A_chat_answers_line_by_line_until_an_empty_one()
    {
        string talking = folder["talking"];
        Assert.AreEqual(0, (await CallAsync("", "export", Model, talking)).Code);
        (int code, _, string error) = await CallAsync("hello\n", "chat", talking);
        Assert.AreEqual(Tool.Failure, code);
        StringAssert.EndsWith(error.Trim(), "Fine-tune it on conversations, or put chat_template.json into its folder.");
        ChatTemplate.Default.Save(talking);
        (code, string output, error) = await CallAsync("alpha\nbeta\n\nnever read", "chat", talking, "--max-tokens", "3", "--system", "words", "--temperature", "0");
        Assert.AreEqual((0, ""), (code, error));
        Assert.AreEqual(3, output.Split("> ").Length - 1, output);
    }

    [TestMethod]
    public async Task A_chat_answers_to_all_that_was_said_as_far_as_it_fits()
    {
        string talking = folder["remembering"];
        Assert.AreEqual(0, (await CallAsync("", "export", Model, talking)).Code);
        new ChatTemplate { SystemMarker = "S ", UserMarker = "U ", AssistantMarker = "A " }.Save(talking); // short, so that some of them fit 64 positions
        string[] lines = ["alpha", "beta alpha", "gamma delta", "epsilon", "zeta eta", "theta", "delta gamma", "beta"];
        (int code, string output, string error) = await CallAsync(string.Join('\n', lines), "chat", talking, "--max-tokens", "6", "--system", "words", "--temperature", "2", "--seed", "4", "--device", "cpu");
        Assert.AreEqual((0, ""), (code, error));
        using GptModel model = GptModel.FromOnnx(talking, GptDevice.Cpu);
        GenerateTextOptions options = new() { MaxNewTokens = 6, Temperature = 2, Seed = 4, PromptOverflow = PromptOverflow.KeepTail };
        List<ConversationTurn> turns = [ConversationTurn.System("words")];
        var expected = new System.Text.StringBuilder();
        foreach (string line in lines)
        {
            turns.Add(ConversationTurn.User(line));
            string answer = model.Chat(turns, options).Text;
            expected.Append("> ").Append(answer).Append(Environment.NewLine);
            turns.Add(ConversationTurn.Assistant(answer));
        }

        Assert.AreEqual($"{expected}> ", output);
        Assert.ThrowsExactly<PromptTooLongException>(() => model.Chat(turns[..^1], options with { PromptOverflow = PromptOverflow.Error }), "the beginning must not fit, or the test shows less");
    }

    [TestMethod]
    public async Task Standard_operators_and_weights_that_they_do_not_compute_are_told_as_the_two_options()
    {
        (int code, _, string error) = await CallAsync("", "export", Model, folder["none"], "--standard-operators", "--weights", "int8");
        Assert.AreEqual((Tool.WrongUse, "mlnet-gpt: --standard-operators is given, and --weights is int8, which they don't compute; leave out one of the two."), (code, error.Trim()));
    }

    [TestMethod]
    public async Task Standard_operators_are_ONNXs_own()
    {
        foreach ((string name, string[] more, bool isStandard) in ((string, string[], bool)[])[("own", [], false), ("standard", ["--standard-operators"], true)])
        {
            Assert.AreEqual(0, (await CallAsync("", ["export", Model, folder[name], .. more])).Code);
            Assert.AreEqual(isStandard, File.ReadAllBytes(Path.Combine(folder[name], "model.onnx")).AsSpan().IndexOf("com.microsoft"u8) < 0, name);
        }
    }

    [TestMethod]
    public void A_folders_texts_are_read_with_those_in_the_folders_below_and_divided_as_asked_for()
    {
        folder.Write("texts/b.txt", "one\ntwo\r\n\r\nthree\n");
        folder.Write("texts/deep/c.txt", "four");
        folder.Write("texts/no.md", "five");
        folder.Write("texts/deep/d.jsonl", """
            {"text":"six\n\nseven","meta":{"from":"somewhere"}}

            {"text":" "}
            {"text":"eight"}
            """);
        string[] json = ["six\n\nseven", "eight"];
        foreach ((string unit, string[] expected) in ((string, string[])[])[("line", ["one", "two", "three", "four"]), ("paragraph", ["one\ntwo", "three", "four"]), ("file", ["one\ntwo\r\n\r\nthree\n", "four"])])
            CollectionAssert.AreEqual((string[])[.. expected, .. json], Documents(folder["texts"], "--documents", unit), unit);
        CollectionAssert.AreEqual(json, Documents(folder["texts/deep/d.jsonl"]));

        // A line of white space is blank, and what a paragraph has within itself stays.
        folder.Write("paragraphs.txt", "\n \n  one\n  two \n \t\nthree\r\n\r\n\r\nfour");
        CollectionAssert.AreEqual((string[])["one\n  two", "three", "four"], Documents(folder["paragraphs.txt"]));
        StringAssert.Contains(Assert.ThrowsExactly<UsageException>(() => Documents(folder["texts/deep/d.jsonl"], "--documents", "line")).Message, "--documents says what a document of a text is, and");
        folder.Write("wrong/one.jsonl", """{"text":"one"}""" + "\n" + """{"content":"two"}""");
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => Documents(folder["wrong"])).Message, "line 2 is no document:");
        folder.Write("wrong/one.jsonl", """{"text":3}""");
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => Documents(folder["wrong"])).Message, "line 1 is no document:");

        static string[] Documents(string path, params string[] more)
        {
            Option<string> option = TextFiles.DocumentsOption();
            return [.. TextFiles.Documents(path, new RootCommand { option }.Parse(more), option, default)];
        }
    }

    [TestMethod]
    public async Task What_is_wrong_is_one_line_and_an_exit_code()
    {
        File.WriteAllBytes(folder["latin.txt"], [.. "alpha\n\ncaf"u8, 0xE9, .. " beta"u8]);
        File.WriteAllBytes(folder["marked.txt"], [0xEF, 0xBB, 0xBF, .. "caf"u8, 0xE9]);
        folder.Write("blank.txt", " \n\n\t\n");
        folder.Write("bad.jsonl", "{\"prompt\":\"x\",\"choices\":[\"a\"]}");
        folder.Write("other.jsonl", "{\"prompt\":\"x\",\"options\":[\"a\"]}");
        folder.Write("table.csv", "text;label");
        foreach ((int expected, string says, string[] args) in ((int, string, string[])[])
        [
            (Tool.WrongUse, "--help", ["trian"]), (Tool.WrongUse, "--output", ["train", folder["corpus.txt"]]), (Tool.WrongUse, "device", ["generate", Model, "x", "--device", "gpu"]), (Tool.WrongUse, "--text", ["evaluate", Model]),
            (Tool.WrongUse, "--count", ["generate", Model, "x", "--count", "0"]), (Tool.WrongUse, "--steps", ["train", folder["corpus.txt"], "-o", folder["new"], "--steps", "many"]),
            (Tool.Failure, "no such file", ["train", folder["missing"], "-o", folder["new"]]), (Tool.WrongUse, "divisible", ["train", folder["corpus.txt"], "-o", folder["new"], "--width", "30", "--heads", "4"]),
            (Tool.Failure, "no such folder", ["generate", folder["missing"], "x"]), (Tool.WrongUse, "--temperature is '-1'; it must be 0 (greedy) or more, and finite.", ["generate", Model, "x", "--temperature", "-1"]), (Tool.Failure, "line 1", ["evaluate", Model, "--choices", folder["bad.jsonl"]]),
            (Tool.WrongUse, "'trian'", ["trian", "x"]), (Tool.WrongUse, "--output", ["train", folder["corpus.txt"], "-o", ""]), (Tool.WrongUse, "target", ["export", Model, ""]),
            (Tool.WrongUse, "--validation is 1", ["train", folder["corpus.txt"], "-o", folder["new"], "--validation", "1"]), (Tool.WrongUse, "--evaluate-every is -1", ["train", folder["corpus.txt"], "-o", folder["new"], "--evaluate-every", "-1"]),
            (Tool.WrongUse, "--steps is 0", ["train", folder["corpus.txt"], "-o", folder["new"], "--steps", "0"]), (Tool.WrongUse, "--batch is 0", ["train", folder["corpus.txt"], "-o", folder["new"], "--batch", "0"]),
            (Tool.WrongUse, "--learning-rate is 0", ["train", folder["corpus.txt"], "-o", folder["new"], "--learning-rate", "0"]), (Tool.Failure, "no text in it", ["train", folder["blank.txt"], "-o", folder["new"]]),
            (Tool.Failure, "no text in it", ["evaluate", Model, "--text", folder["blank.txt"]]), (Tool.Failure, "no question in it", ["evaluate", Model, "--choices", folder["blank.txt"]]),
            (Tool.Failure, "is no UTF-8 text: it holds the byte E9", ["train", folder["latin.txt"], "-o", folder["new"]]), (Tool.Failure, "is no UTF-8 text", ["evaluate", Model, "--text", folder["latin.txt"], "--documents", "line"]), (Tool.Failure, "is no UTF-8 text", ["evaluate", Model, "--text", folder["marked.txt"]]), (Tool.Failure, "is no UTF-8 text", ["evaluate", Model, "--choices", folder["latin.txt"]]),
            (Tool.WrongUse, "--max-tokens is '0'; it must be 1 or more.", ["generate", Model, "x", "-t", "0"]), (Tool.WrongUse, "--stop is '';", ["generate", Model, "x", "--stop", ""]), (Tool.WrongUse, "--documents", ["evaluate", Model, "--choices", folder["bad.jsonl"], "--documents", "line"]),
            (Tool.Failure, "fit the model's context. Shorten it.", ["generate", Model, string.Concat(Enumerable.Repeat("alpha beta ", 500))]),
            (Tool.WrongUse, "--resume", ["train", folder["corpus.txt"], "-o", Run, "--steps", "2"]), (Tool.WrongUse, "--documents", ["train", folder["corpus.txt"], "-o", folder["new"], "--documents", "file"]), (Tool.Failure, "missing", ["export", folder["missing"], folder["out"]]),
            (Tool.WrongUse, "--temperature is '0,3'; it must be a number, with a point where it has decimals.", ["generate", Model, "x", "--temperature", "0,3"]), (Tool.WrongUse, "--learning-rate is '0,001'; it must be a number", ["train", folder["corpus.txt"], "-o", folder["new"], "--learning-rate", "0,001"]),
            (Tool.WrongUse, "--seed is 'abc'; it must be a whole number from -2147483648 to 2147483647.", ["generate", Model, "x", "--seed", "abc"]), (Tool.WrongUse, "--max-tokens is '1,000'; it must be a whole number", ["generate", Model, "x", "-t", "1,000"]), (Tool.WrongUse, "--steps is '1.5'; it must be a whole number", ["train", folder["corpus.txt"], "-o", folder["new"], "-n", "1.5"]),
            (Tool.WrongUse, "--top-k is '99999999999'; it must be a whole number", ["generate", Model, "x", "--top-k", "99999999999"]), (Tool.Failure, "line 1 is no question: JSON deserialization was missing required properties including: 'answer'", ["evaluate", Model, "--choices", folder["bad.jsonl"]]),
            (Tool.Failure, "line 1 is no question: The JSON property 'options' is none of a question's. Write each as", ["evaluate", Model, "--choices", folder["other.jsonl"]]),
            (Tool.Failure, "line 1 is no question: 'text;label' is an invalid JSON literal. Expected the literal 'true'. Write each as", ["evaluate", Model, "--choices", folder["table.csv"]]),
            (Tool.Failure, "Name a folder that mlnet-gpt train, the library or transformers' save_pretrained wrote.", ["export", folder["missing"], folder["out"]]),
            (Tool.Failure, $"it is the folder of a run. Name the model in it, '{Model}'.", ["generate", Run, "x"]), (Tool.Failure, "It is the folder of a run: name a checkpoint in it", ["export", Run, folder["out"]]),
            (Tool.WrongUse, "--layers is 0; it must be 1 or more.", ["train", folder["corpus.txt"], "-o", folder["new"], "--layers", "0"]), (Tool.WrongUse, "--vocabulary is 100; the 256 bytes", ["train", folder["corpus.txt"], "-o", folder["new"], "--vocabulary", "100"]),
            (Tool.Failure, "The validation set, the --validation of 1E-09 of 200 documents, gives", ["train", folder["corpus.txt"], "-o", folder["new"], "--validation", "1e-9"]), (Tool.Failure, "Name the folder with the tokenizer's files, or copy them there.", ["tokenize", folder["missing"], "x"]),
            (Tool.Failure, "or use --device cpu.", ["generate", Model, "x", "--device", "cuda:99"]),
            (Tool.WrongUse, "--bits is 3; it must be 8 or 4.", ["quantize", Model, folder["out"], "--bits", "3"]), (Tool.WrongUse, "--block is 48; it must be 32, 64 or 128.", ["quantize", Model, folder["out"], "--block", "48"]),
            (Tool.WrongUse, "--embedding-bits is 2", ["quantize", Model, folder["out"], "--embedding-bits", "2"]), (Tool.WrongUse, "--accuracy is 5", ["quantize", Model, folder["out"], "--accuracy", "5"]), (Tool.WrongUse, "'export --weights int8'", ["quantize", Model, folder["out.gguf"]]),
            (Tool.Failure, "missing", ["quantize", folder["missing"], folder["out"]]), (Tool.WrongUse, "target", ["quantize", Model, ""]), (Tool.WrongUse, "The model is empty", ["serve", ""]),
            (Tool.WrongUse, "--adapter is 'polite'; it must be NAME=FOLDER.", ["serve", Model, "--adapter", "polite"]), (Tool.WrongUse, "--set is 'BatchRows='; it must be NAME=VALUE.", ["serve", Model, "--set", "BatchRows="]),
            (Tool.WrongUse, "There is no setting Serving:Rows;", ["serve", Model, "--set", "Rows=3"]), (Tool.WrongUse, "The program can't listen on 'nowhere'", ["serve", Model, "--urls", "nowhere"]),
        ])
        {
            (int code, _, string error) = await CallAsync("", args);
            Assert.AreEqual(expected, code, $"{string.Join(' ', args)}\n{error}");
            StringAssert.StartsWith(error, "mlnet-gpt: ");
            StringAssert.Contains(error, says, string.Join(' ', args));
            Assert.AreEqual(1, error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, error);
        }
    }

    [TestMethod]
    public async Task A_run_that_is_resumed_with_other_options_is_told_the_options_of_the_command_line()
    {
        (int code, _, string error) = await CallAsync("", "train", folder["corpus.txt"], "--output", Run, "--steps", "300", "--batch", "4", "--layers", "2", "--width", "32", "--heads", "2", "--context", "64",
            "--vocabulary", "320", "--learning-rate", "1e-3", "--evaluate-every", "30", "--device", "cpu", "--resume");
        Assert.AreEqual(Tool.WrongUse, code, error);
        foreach (string says in (string[])["--steps was 150 and is 300", "--batch was 8 and is 4", "--layers was 1 and is 2", "--learning-rate was 0.01 and is 0.001"]) StringAssert.Contains(error, says);
        foreach (string name in (string[])["MaxSteps", "BatchSize", "LayerCount", "LearningRate", "Optimizer", "Model."]) Assert.DoesNotContain(name, error);
        StringAssert.Contains(error, Run);
    }

    [TestMethod]
    public async Task A_training_says_that_it_begins_anew_and_how_large_its_vocabulary_came_out()
    {
        (int code, string output, string error) = await CallAsync("", "train", folder["corpus.txt"], "-o", folder["fresh"], "--steps", "1", "--batch", "2", "--layers", "1", "--width", "32", "--heads", "2", "--context", "32",
            "--vocabulary", "4000", "--evaluate-every", "0", "--device", "cpu", "--resume");
        Assert.AreEqual((0, ""), (code, error), output);
        StringAssert.Contains(output, $"The run in '{folder["fresh"]}' has no checkpoint to continue from; it begins anew.");
        StringAssert.Matches(output, new Regex(@"the text gives \d{3} tokens, not the 4000 asked for"));
        Assert.AreEqual(1, Regex.Count(output, "step 1/1 "), output);
    }

    [TestMethod]
    [DataRow("'/runs/Model.BatchSize' has BatchSize 3", "'/runs/Model.BatchSize' has --batch 3")]
    [DataRow("it can't be: Model.LayerCount isn't BatchSize", "it can't be: --layers isn't --batch")]
    [DataRow("The validation set, an Evaluation.ValidationFraction of 0.1, is short. Set it to 0, add text, or give Fit a validation set.", "The validation set, the --validation of 0.1, is short. Set it to 0, or add text.")]
    [DataRow("It is an ONNX package: open it with FromOnnx, or name the checkpoint that it was written from.", "It is an ONNX package: name the checkpoint that it was written from.")]
    [DataRow("about 3 GB. Lower MicroBatchSize (the batch stays the same), or let MicroBatchSize.Auto find one that fits; else lower the context length or the size of the model.", "about 3 GB. Lower --batch, --context, --layers or --width.")]
    [DataRow("a single document (read 500, duplicates 499, empty 0), which can't be split. Split it by position (CorpusOptions.Split, a trainer's SplitByPosition), set ValidationFraction to 0, or give a validation set of its own.", "a single document (read 500, duplicates 499, empty 0), which can't be split. Set --documents to what there is more of, or --validation to 0.")]
    [DataRow("an array holds 2,147,483,591; lower BatchSize, or set MicroBatchSize.", "an array holds 2,147,483,591; lower --batch.")]
    [DataRow("Write a template of this library there with ChatTemplate.Save, or fine-tune the model on conversations with one.", "Write a template of this library there, or fine-tune the model on conversations with one.")]
    [DataRow("has no tokens: the tokenizer gives it none. Set Separator to a space or a line break.", "has no tokens: the tokenizer gives it none. Write another candidate.")]
    [DataRow("MyBatchSize, BatchSizes and Options.BatchSize", "MyBatchSize, BatchSizes and Options.BatchSize")]
    public void Names_of_the_library_become_those_of_the_command_line_and_paths_stay(string message, string expected) => Assert.AreEqual(expected, CommandLineTerms.In(message));

    [TestMethod]
    public async Task Help_names_every_command()
    {
        (int code, string output, _) = await CallAsync("", "--help");
        Assert.AreEqual(0, code);
        foreach (string command in (string[])["train", "export", "quantize", "generate", "chat", "serve", "evaluate", "tokenize"]) StringAssert.Contains(output, command);
    }

    // In a process of its own: Ctrl-C, then --resume to the end.
    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public async Task Ctrl_C_ends_a_training_that_can_be_resumed()
    {
        if (IsInterruptIgnored()) Assert.Inconclusive("Whoever started the tests has told its children to ignore Ctrl-C, as a shell does with what runs in the background.");
        string run = folder["interrupted"];
        string[] train = ["train", folder["corpus.txt"], "-o", run, "--steps", "1500", "--batch", "2", "--layers", "1", "--width", "32", "--heads", "2", "--context", "32", "--vocabulary", "280", "--evaluate-every", "500", "--device", "cpu"];
        using var process = new Process { StartInfo = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Tool.dll"), .. train]) { RedirectStandardOutput = true, RedirectStandardError = true } };
        process.Start();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string? line;
        do line = await process.StandardOutput.ReadLineAsync();
        while (line is not null && !line.StartsWith("step 100/", StringComparison.Ordinal));
        Assert.AreEqual(0, Kill(process.Id, 2));
        string rest = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual((Tool.Cancelled, "mlnet-gpt: cancelled"), (process.ExitCode, (await errors).Trim()), $"{line}\n{rest}");
        StringAssert.Contains(rest, "--resume");
        Assert.IsFalse(Directory.Exists(Path.Combine(run, "model")));

        (int code, string output, string error) = await CallAsync("", [.. train, "--resume"]);
        Assert.AreEqual((0, ""), (code, error), output);
        StringAssert.Contains(output, "step 1500/1500");
        Assert.DoesNotContain("step 50/1500", output, "it did not begin again");
        Assert.IsTrue(File.Exists(Path.Combine(run, "model", "model.safetensors")));
    }

    private static bool IsInterruptIgnored()
    {
        // SigIgn is a set of bits, that of signal n being n − 1; Ctrl-C is signal 2.
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        return File.Exists(Status) && File.ReadLines(Status).FirstOrDefault(static line => line.StartsWith(Ignored, StringComparison.Ordinal)) is { } line
            && (ulong.Parse(line.AsSpan(Ignored.Length).Trim(), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture) & 2) != 0;
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Listening();

    [GeneratedRegex(@"validation loss (\d+\.\d+)")]
    private static partial Regex ValidationLoss();
}

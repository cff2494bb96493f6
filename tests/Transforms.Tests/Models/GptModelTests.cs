using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Storage;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Models;

[TestClass]
public sealed class GptModelTests
{
    // Says "hello world." letter by letter after any prompt that ends in '!', then end-of-text.
    private const string Speech = "héllo world.";

    private static GptModel Speaker(out HistoryModel engine) => TestModels.Saying(text =>
    {
        string said = text[(text.IndexOf('!') + 1)..];
        return said.Length < Speech.Length ? Speech[said.Length..] : "";
    }, out engine);

    [TestMethod]
    public void A_prompt_is_continued_until_end_of_text()
    {
        using GptModel model = Speaker(out _);
        Assert.AreEqual(Speech, model.Generate("say!"));
        GeneratedText text = model.Generate(["say!", "a!"], new() { MaxNewTokens = 5 })[1];
        Assert.AreEqual(new GeneratedText(1, 0, "héllo", FinishReason.MaxNewTokens, 2, 5), text);
    }

    [TestMethod]
    public void A_stop_string_is_cut_off()
    {
        using GptModel model = Speaker(out _);
        GeneratedText text = model.Generate(["!"], new() { StopStrings = ["lo w"] })[0];
        Assert.AreEqual(("hél", FinishReason.StopString), (text.Text, text.FinishReason));
    }

    [TestMethod]
    public async Task The_stream_is_the_text_in_pieces_of_whole_characters()
    {
        using GptModel model = Speaker(out _);
        List<string> pieces = [];
        await foreach (string piece in model.GenerateStreaming("say!")) pieces.Add(piece);
        Assert.AreEqual(Speech, string.Concat(pieces));
        Assert.HasCount(Speech.Length, pieces); // a letter is a token here
        Assert.IsTrue(pieces.All(piece => piece.Length > 0));
    }

    [TestMethod]
    public async Task The_stream_holds_back_what_may_begin_a_stop_string()
    {
        using GptModel model = Speaker(out _);
        List<string> pieces = [];
        await foreach (string piece in model.GenerateStreaming("!", new() { StopStrings = ["llx", "o w"] })) pieces.Add(piece);
        // h, é, then "ll" waits for a third letter; "o" ends the first string's chance, and itself waits for " w".
        CollectionAssert.AreEqual(new[] { "h", "é", "ll" }, pieces);
    }

    // A token takes a millisecond at least, and all of them a minute and a half: long after the reader has left, however late it gets to read.
    [TestMethod]
    public async Task Leaving_or_cancelling_the_stream_stops_the_generation()
    {
        using GptModel model = TestModels.Saying(static _ => { Thread.Sleep(1); return "a"; }, out HistoryModel engine, contextLength: 100_000);
        await foreach (string _ in model.GenerateStreaming("!", new() { MaxNewTokens = 90_000 })) break;
        Assert.AreEqual(0, engine.OpenDecoders);
        Assert.IsLessThan(90_000, engine.RowsOfCalls.Count);

        using var source = new CancellationTokenSource();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (string _ in model.GenerateStreaming("!", new() { MaxNewTokens = 90_000 }, source.Token)) await source.CancelAsync();
        });
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public async Task Each_text_is_given_in_order_as_soon_as_it_and_those_before_it_have_ended()
    {
        using GptModel model = TestModels.Saying(static history => history.Contains('z', StringComparison.Ordinal) || history.Length > 40 ? "" : "a", out HistoryModel engine);
        string[] prompts = ["abc", "z", "a longer one"];
        GenerateTextOptions options = new() { MaxNewTokens = 50, BatchSize = 2, SamplesPerPrompt = 2 };
        List<GeneratedText> each = [];
        await foreach (GeneratedText text in model.GenerateEachAsync(prompts, options)) each.Add(text);
        CollectionAssert.AreEqual(model.Generate(prompts, options).ToArray(), each);
        Assert.AreEqual(0, engine.OpenDecoders);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => model.GenerateEachAsync(prompts, new() { MaxNewTokens = 0 }));
        await Assert.ThrowsExactlyAsync<PromptTooLongException>(async () =>
        {
            await foreach (GeneratedText _ in model.GenerateEachAsync([new string('a', 65)])) Assert.Fail();
        });
    }

    // Two beams are asked for, and the constraint leaves one text: the second prompt's must not wait for one that never comes.
    [TestMethod]
    public async Task Each_text_is_given_where_beams_give_fewer_than_were_asked_for()
    {
        using GptModel model = TestModels.Saying(static _ => "a", out _);
        GenerateTextOptions options = new() { Temperature = 0, MaxNewTokens = 8, BeamCount = 2, SamplesPerPrompt = 2, Constraint = TextConstraint.Choice("a") };
        List<GeneratedText> each = [];
        await foreach (GeneratedText text in model.GenerateEachAsync(["b", "c"], options)) each.Add(text);
        CollectionAssert.AreEqual(new[] { (0, "a"), (1, "a") }, each.Select(static text => (text.PromptIndex, text.Text)).ToArray());
    }

    // As above: a token takes a millisecond at least.
    [TestMethod]
    public async Task Texts_do_not_wait_for_those_behind_them()
    {
        using GptModel model = TestModels.Saying(static _ => { Thread.Sleep(1); return "a"; }, out HistoryModel engine, contextLength: 10_000);
        await foreach (GeneratedText text in model.GenerateEachAsync(["a", "b"], new() { MaxNewTokens = 9_000, BatchSize = 1, StopStrings = ["aaaa"] }))
        {
            Assert.AreEqual((0, FinishReason.StopString), (text.PromptIndex, text.FinishReason));
            break;
        }

        int calls = engine.RowsOfCalls.Count;
        await foreach (GeneratedText _ in model.GenerateEachAsync(["a", "b"], new() { MaxNewTokens = 5_000, BatchSize = 1 })) break;
        Assert.IsLessThan(10_000, engine.RowsOfCalls.Count - calls);
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public async Task Errors_of_the_stream_come_at_once_or_with_the_text()
    {
        using GptModel model = Speaker(out _);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => model.GenerateStreaming("a", new() { TopP = 2 }));
        Assert.ThrowsExactly<ArgumentException>(() => model.GenerateStreaming("a", new() { SamplesPerPrompt = 2 }));
        await Assert.ThrowsExactlyAsync<PromptTooLongException>(async () =>
        {
            await foreach (string _ in model.GenerateStreaming(new string('a', 65))) { }
        });
    }

    [TestMethod]
    public void A_text_is_scored_from_end_of_text_on()
    {
        // After "", "a", "ab", … the model is almost sure of the next letter: ln p = -ln(1 + 30·e^-30) = -2.8e-12; any other letter has -30.
        using GptModel model = TestModels.Saying(text => "abcdefg"[text.Length..], out _);
        Assert.AreEqual(1, model.Score("abc").Perplexity, 1e-6);
        SequenceScore score = model.Score("abx");
        Assert.AreEqual(-30, score.LogLikelihood, 1e-5);
        Assert.AreEqual(Math.Exp(10), score.Perplexity, 1e-5 * Math.Exp(10));
        Assert.AreEqual(0, model.Score("").TokenCount);
    }

    [TestMethod]
    public void Special_tokens_in_a_text_are_recognized_or_are_text()
    {
        var tokenizer = GptTokenizer.FromCharacters(["ab<|endoftext>"]);
        var engine = new HistoryModel(tokenizer.VocabularySize, 32, _ => new float[tokenizer.VocabularySize]);
        using var model = new GptModel(engine, tokenizer);
        Assert.AreEqual(2, model.Score("a<|endoftext|>").TokenCount);
        Assert.AreEqual(14, model.Score("a<|endoftext|>", new() { SpecialTokens = SpecialTokenHandling.AsText }).TokenCount);
    }

    [TestMethod]
    public void An_exported_package_opens_as_the_same_model()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        model.ExportOnnx(folder["copy"]);
        model.ExportOnnx(folder["copy"]); // and replaces a package
        using GptModel copy = GptModel.FromOnnx(folder["copy"]);
        Assert.AreEqual(model.Config, copy.Config);
        Assert.AreEqual(model.Generate("abc", new() { Seed = 3, MaxNewTokens = 20 }), copy.Generate("abc", new() { Seed = 3, MaxNewTokens = 20 }));
        CollectionAssert.AreEqual(new[] { "copy", "package" }, folder.Names); // nothing else is left beside
        File.WriteAllText(Path.Combine(folder["copy"], "notes.txt"), "mine");
        Assert.ThrowsExactly<FolderNotReplaceableException>(() => model.ExportOnnx(folder["copy"]));
    }

    [TestMethod]
    public void A_tokenizer_that_does_not_fit_the_model_is_an_error()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        GptTokenizer.FromCharacters(["another alphabet"]).Save(package);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => GptModel.FromOnnx(package));
        var small = new HistoryModel(3, 8, _ => new float[3]);
        var exception = Assert.ThrowsExactly<ArgumentException>(() => new GptModel(small, TestModels.Letters));
        StringAssert.Contains(exception.Message, TestModels.Letters.VocabularySize.ToString());
    }

    [TestMethod]
    public void A_vocabulary_padded_beyond_the_tokenizer_is_never_sampled()
    {
        int vocabulary = TestModels.Letters.VocabularySize + 7;
        var engine = new HistoryModel(vocabulary, 32, _ => [.. Enumerable.Range(0, vocabulary).Select(i => (float)i)]);
        using var model = new GptModel(engine, TestModels.Letters);
        Assert.AreEqual("", model.Generate("a", new() { Temperature = 0 })); // the last token that the tokenizer has is end-of-text
    }

    [TestMethod]
    public void A_full_disk_is_told_of_the_package_and_not_of_the_hidden_folder_that_is_written()
    {
        using var folder = new TemporaryFolder();
        using var disk = new TinyDisk(kilobytes: 8);
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        Assert.AreEqual(disk["copy"], Assert.ThrowsExactly<DiskFullException>(() => model.ExportOnnx(disk["copy"])).Path);
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(model.Config));
        Assert.AreEqual(disk["exported"], Assert.ThrowsExactly<DiskFullException>(() => OnnxExporter.Export(folder["checkpoint"], disk["exported"])).Path);
        Assert.IsEmpty(TemporaryFolder.NamesIn(disk.Path));
    }

    [TestMethod]
    public void A_disposed_model_says_so()
    {
        GptModel model = Speaker(out _);
        model.Dispose();
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate("a"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Score("a"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.GenerateStreaming("a"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.ExportOnnx("nowhere"));
    }

    [TestMethod]
    public void Bad_arguments_are_errors()
    {
        using GptModel model = Speaker(out _);
        Assert.ThrowsExactly<ArgumentNullException>(() => model.Generate((string)null!));
        Assert.ThrowsExactly<ArgumentException>(() => model.Generate(["a", null!]));
        Assert.ThrowsExactly<ArgumentException>(() => model.Generate("a", new() { SamplesPerPrompt = 2 }));
        Assert.HasCount(2, model.Generate(["a"], new() { SamplesPerPrompt = 2, MaxNewTokens = 1 }));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptModel.FromOnnx(Path.Combine(Path.GetTempPath(), "no such folder")));
    }
}

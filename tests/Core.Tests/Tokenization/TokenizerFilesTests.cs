using System.Text;
using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class TokenizerFilesTests
{
    [TestMethod]
    public void A_saved_tokenizer_loads_as_the_same_from_either_of_its_forms()
    {
        using var folder = new TemporaryFolder();
        foreach (GptTokenizer tokenizer in (GptTokenizer[])[SampleTexts.TrainSmall("<|user|>"), GptTokenizer.FromCharacters(SampleTexts.Awkward)])
        {
            tokenizer.Save(folder.Path);
            CollectionAssert.AreEquivalent(new[] { "merges.txt", "tokenizer.json", "vocab.json" }, Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).ToArray());
            GptTokenizer loaded = GptTokenizer.Load(folder.Path);
            Assert.AreEqual(tokenizer.Hash, loaded.Hash);
            Assert.AreEqual(tokenizer.Kind, loaded.Kind);
            CollectionAssert.AreEquivalent(tokenizer.SpecialTokens.ToArray(), loaded.SpecialTokens.ToArray());
            foreach (string text in SampleTexts.Awkward) CollectionAssert.AreEqual(tokenizer.Encode(text), loaded.Encode(text));
        }

        GptTokenizer bytes = SampleTexts.TrainSmall();
        bytes.Save(folder.Path);
        File.Delete(folder.File("tokenizer.json"));
        Assert.AreEqual(bytes.Hash, GptTokenizer.Load(folder.Path).Hash);
    }

    // In the byte alphabet "é" would be the byte E9.
    [TestMethod]
    public void An_added_token_is_the_text_that_it_is_written_with_and_makes_another_tokenizer()
    {
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = 259, ["content"] = "é!" });
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        GptTokenizer tokenizer = GptTokenizer.Load(folder.Path);
        CollectionAssert.AreEqual("é!"u8.ToArray(), tokenizer.GetTokenBytes(259).ToArray());
        Assert.AreEqual("xé!y", tokenizer.Decode(tokenizer.Encode("xé!y")));

        // "ab" is a token of both, but where it is added it is found first, and "abc" is two tokens.
        TokenizerFiles.WriteBytes(folder);
        GptTokenizer plain = GptTokenizer.Load(folder.Path);
        json = TokenizerFiles.Json();
        json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = 256, ["content"] = "ab" });
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        GptTokenizer added = GptTokenizer.Load(folder.Path);
        CollectionAssert.AreEqual(new[] { 257 }, plain.Encode("abc"));
        CollectionAssert.AreEqual(new[] { 256, (int)'c' - '!' }, added.Encode("abc"));
        Assert.AreNotEqual(plain.Hash, added.Hash);
    }

    // A name may be written with an escape.
    [TestMethod]
    public void A_token_that_stands_twice_in_a_vocabulary_is_refused()
    {
        using var folder = new TemporaryFolder();
        string text = TokenizerFiles.Text(TokenizerFiles.Json());
        foreach (string second in (string[])["ab", "\\u0061b"])
        {
            folder.Write("tokenizer.json", text.Replace("\"abc\":257", $"\"abc\":257,\"{second}\":259", StringComparison.Ordinal));
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptTokenizer.Load(folder.Path)).Message, "it isn't well-formed JSON (");
        }
    }

    [TestMethod]
    public void Saving_again_writes_the_same_bytes()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = SampleTexts.TrainSmall("<|user|>");
        tokenizer.Save(folder.File("a"));
        GptTokenizer.Load(folder.File("a")).Save(folder.File("b"));
        foreach (string name in (string[])["tokenizer.json", "vocab.json", "merges.txt"])
        {
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.File($"a/{name}")), File.ReadAllBytes(folder.File($"b/{name}")), name);
        }
    }

    [TestMethod]
    public void The_files_are_GPT2s_in_form()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer.TrainBytePairEncoding([" é é ab ab"], new() { VocabularySize = 1 + 256 + 3 }).Save(folder.Path);

        // (Ã, ©) is é, twice after a space; (Ġ, a), (Ġ, Ã) and (a, b) twice too. Ids: a < Ã < Ġ, so (a, b), then (Ã, ©), then (Ġ, ab).
        Assert.AreEqual("#version: 0.2\na b\nÃ ©\nĠ ab\n", File.ReadAllText(folder.File("merges.txt")));
        string vocabulary = File.ReadAllText(folder.File("vocab.json"));
        StringAssert.StartsWith(vocabulary, "{\n  \"<|endoftext|>\": 0,\n  \"!\": 1,\n  \"\\\"\": 2,\n");
        StringAssert.EndsWith(vocabulary, "\"ab\": 257,\n  \"Ã©\": 258,\n  \"Ġab\": 259\n}");

        JsonNode json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        Assert.AreEqual("BPE", (string?)json["model"]!["type"]);
        Assert.AreEqual("ByteLevel", (string?)json["pre_tokenizer"]!["type"]);
        Assert.IsFalse((bool)json["pre_tokenizer"]!["add_prefix_space"]!);
        Assert.AreEqual("ByteLevel", (string?)json["decoder"]!["type"]);
        Assert.AreEqual("<|endoftext|>", (string?)json["added_tokens"]![0]!["content"]);
        Assert.AreEqual("Ã ©", (string?)json["model"]!["merges"]![1]);
    }

    [TestMethod]
    public void The_three_formats_of_a_vocabulary_give_the_same_encodings()
    {
        using var folder = new TemporaryFolder();
        TokenizerFiles.WriteBytes(folder);
        (string vocabulary, string merges) = TokenizerFiles.Pair();
        GptTokenizer json = GptTokenizer.Load(folder.Path);
        GptTokenizer pair = GptTokenizer.FromVocabularyAndMerges(folder.Write("v.json", vocabulary), folder.Write("m.txt", merges));
        GptTokenizer pairWithWindowsLines = GptTokenizer.FromVocabularyAndMerges(folder.File("v.json"), folder.Write("m2.txt", "\uFEFF" + merges.Replace("\n", "\r\n")));
        GptTokenizer tiktoken = GptTokenizer.FromTiktoken(folder.Write("t.tiktoken", TokenizerFiles.Tiktoken()));
        Assert.AreEqual(json.Hash, pair.Hash);
        Assert.AreEqual(json.Hash, pairWithWindowsLines.Hash);
        Assert.AreEqual(258, json.EndOfTextId, "after 256 bytes, ab and abc");
        Assert.AreEqual(258, tiktoken.EndOfTextId);
        foreach (GptTokenizer tokenizer in (GptTokenizer[])[json, tiktoken])
        {
            CollectionAssert.AreEqual(new[] { 257, 256, 258 }, tokenizer.Encode("abcab<|endoftext|>"));
        }
    }

    [TestMethod]
    public void Special_tokens_may_be_given_with_their_ids()
    {
        using var folder = new TemporaryFolder();
        var specials = new Dictionary<string, int> { ["<|user|>"] = 259, ["<|endoftext|>"] = 258 };
        (string vocabulary, string merges) = TokenizerFiles.Pair();
        GptTokenizer pair = GptTokenizer.FromVocabularyAndMerges(folder.Write("v.json", vocabulary), folder.Write("m.txt", merges), specials);
        CollectionAssert.AreEqual(new[] { 259, 256, 258 }, pair.Encode("<|user|>ab<|endoftext|>"));
        string tiktoken = folder.Write("t.tiktoken", TokenizerFiles.Tiktoken());
        CollectionAssert.AreEqual(new[] { 259, 256, 258 }, GptTokenizer.FromTiktoken(tiktoken, specials).Encode("<|user|>ab<|endoftext|>"));

        string gap = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.FromTiktoken(tiktoken, new Dictionary<string, int> { ["<|endoftext|>"] = 300 })).Message;
        StringAssert.Contains(gap, "none for id 258, though '<|endoftext|>' has id 300");
        string without = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.FromTiktoken(tiktoken, new Dictionary<string, int> { ["<|user|>"] = 258 })).Message;
        StringAssert.Contains(without, "without '<|endoftext|>'");
        StringAssert.Contains(Corrupt(() => GptTokenizer.FromVocabularyAndMerges(folder.File("v.json"), folder.File("m.txt"), new Dictionary<string, int> { ["<|endoftext|>"] = 258, ["!"] = 7 })), "has id 0, and was given as 7");
    }

    [TestMethod]
    [DataRow("'vocab' with a duplicate id", "same id 3")]
    [DataRow("'vocab' with a negative id", "id -1")]
    [DataRow("'vocab' with a huge id", "id 4000000000")]
    [DataRow("'vocab' with a fraction", "1.5")]
    [DataRow("'vocab' with a text for an id", "\"7\"")]
    [DataRow("'vocab' with an empty token", "is empty")]
    [DataRow("'vocab' that is an array", "[1]")]
    [DataRow("no 'vocab'", "no 'vocab'")]
    [DataRow("'merges' with an unknown left token", "'zz'")]
    [DataRow("'merges' with an unknown result", "'xy'")]
    [DataRow("'merges' twice", "'a b' occurs twice")]
    [DataRow("'merges' without a space", "'ab'")]
    [DataRow("'merges' with two spaces", "'a b c'")]
    [DataRow("'merges' with a number", "7")]
    [DataRow("'merges' of three", "[\"a\",\"b\",\"c\"]")]
    [DataRow("no 'merges'", "'merges'")]
    [DataRow("no 'model'", "'model'")]
    [DataRow("added token without an id", "'id' and 'content'")]
    [DataRow("added token with another id than in 'vocab'", "has id 258, and 0 in the vocabulary")]
    [DataRow("added token that is empty", "258 is empty")]
    [DataRow("added tokens that are an object", "not an array")]
    public void A_tokenizer_json_that_makes_no_tokenizer_is_refused_and_says_why(string fault, string part)
    {
        JsonObject json = TokenizerFiles.Json();
        JsonNode model = json["model"]!;
        JsonObject vocabulary = model["vocab"]!.AsObject();
        JsonArray merges = model["merges"]!.AsArray();
        JsonObject special = json["added_tokens"]![0]!.AsObject();
        switch (fault)
        {
            case "'vocab' with a duplicate id": vocabulary["ab"] = 3; break;
            case "'vocab' with a negative id": vocabulary["ab"] = -1; break;
            case "'vocab' with a huge id": vocabulary["ab"] = 4_000_000_000; break;
            case "'vocab' with a fraction": vocabulary["ab"] = 1.5; break;
            case "'vocab' with a text for an id": vocabulary["ab"] = "7"; break;
            case "'vocab' with an empty token": vocabulary.Remove("abc"); vocabulary[""] = 257; merges.RemoveAt(1); break;
            case "'vocab' that is an array": model["vocab"] = new JsonArray(1); break;
            case "no 'vocab'": model.AsObject().Remove("vocab"); break;
            case "'merges' with an unknown left token": merges.Add("zz a"); break;
            case "'merges' with an unknown result": merges.Add("x y"); break;
            case "'merges' twice": merges.Add("a b"); break;
            case "'merges' without a space": merges.Add("ab"); break;
            case "'merges' with two spaces": merges.Add("a b c"); break;
            case "'merges' with a number": merges.Add(7); break;
            case "'merges' of three": merges.Add(new JsonArray("a", "b", "c")); break;
            case "no 'merges'": model.AsObject().Remove("merges"); break;
            case "no 'model'": json.Remove("model"); break;
            case "added token without an id": special.Remove("id"); break;
            case "added token with another id than in 'vocab'": special["content"] = "!"; break;
            case "added token that is empty": special["content"] = ""; break;
            case "added tokens that are an object": json["added_tokens"] = new JsonObject(); break;
        }

        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        string message = Corrupt(() => GptTokenizer.Load(folder.Path));
        StringAssert.Contains(message, part);
        StringAssert.Contains(message, folder.File("tokenizer.json"));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("{")]
    [DataRow("[]")]
    [DataRow("null")]
    [DataRow("{\"model\": 3}")]
    [DataRow("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"\\ud800\": 0}, \"merges\": []}, \"decoder\": {\"type\": \"Fuse\"}}")]
    [DataRow("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"a\": 1, \"<|endoftext|>\": 2}, \"merges\": []}, \"decoder\": {\"type\": \"Fuse\"}}")]
    [DataRow("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"ab\": 0}, \"merges\": []}, \"decoder\": {\"type\": \"Fuse\"}, \"added_tokens\": [{\"id\": 1, \"content\": \"<|endoftext|>\", \"special\": true}]}")]
    public void A_broken_tokenizer_json_is_refused(string contents)
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", contents);
        Corrupt(() => GptTokenizer.Load(folder.Path));
    }

    [TestMethod]
    public void A_tokenizer_json_cut_short_anywhere_is_refused()
    {
        using var folder = new TemporaryFolder();
        byte[] whole = Encoding.UTF8.GetBytes(TokenizerFiles.Text(TokenizerFiles.Json()));
        for (int length = 0; length < whole.Length; length += 37)
        {
            File.WriteAllBytes(folder.File("tokenizer.json"), whole[..length]);
            Corrupt(() => GptTokenizer.Load(folder.Path));
        }
    }

    [TestMethod]
    public void A_file_of_absurd_size_is_refused_before_it_is_read()
    {
        using var folder = new TemporaryFolder();
        foreach ((long length, string problem) in ((long, string)[])[(256 << 20, "it isn't well-formed JSON ("), ((256 << 20) + 1, "it has 268435457 bytes, and a tokenizer's file has at most 268435456."), (3L << 30, $"it has {3L << 30} bytes")])
        {
            using (FileStream stream = File.OpenWrite(folder.File("tokenizer.json"))) stream.SetLength(length); // sparse: takes no room
            StringAssert.Contains(Corrupt(() => GptTokenizer.Load(folder.Path)), problem);
        }
    }

    [TestMethod]
    [DataRow("normalizer", "{\"type\": \"NFC\"}")]
    [DataRow("pre_tokenizer", "null")]
    [DataRow("pre_tokenizer", "{\"type\": \"Whitespace\"}")]
    [DataRow("pre_tokenizer", "{\"type\": \"ByteLevel\", \"add_prefix_space\": true}")]
    [DataRow("pre_tokenizer", "{\"type\": \"ByteLevel\"}")]
    [DataRow("pre_tokenizer", "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}")]
    [DataRow("post_processor", "{\"type\": \"TemplateProcessing\"}")]
    [DataRow("post_processor", """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}""")]
    [DataRow("post_processor", """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}]}""")]
    [DataRow("post_processor", """{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]}""")]
    [DataRow("post_processor", """{"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "RobertaProcessing"}]}""")]
    [DataRow("decoder", "null")]
    [DataRow("decoder", "{\"type\": \"WordPiece\"}")]
    [DataRow("model.type", "\"WordPiece\"")]
    [DataRow("model.dropout", "0.1")]
    [DataRow("model.unk_token", "\"<unk>\"")]
    [DataRow("model.continuing_subword_prefix", "\"##\"")]
    [DataRow("model.end_of_word_suffix", "\"</w>\"")]
    [DataRow("model.byte_fallback", "true")]
    [DataRow("model.ignore_merges", "true")]
    [DataRow("added_tokens.lstrip", "true")]
    [DataRow("added_tokens.rstrip", "true")]
    [DataRow("added_tokens.single_word", "true")]
    public void A_tokenizer_json_that_asks_for_something_else_is_refused_and_names_it(string setting, string value)
    {
        JsonObject json = TokenizerFiles.Json();
        JsonNode? node = JsonNode.Parse(value);
        string[] path = setting.Split('.');
        if (path.Length == 1) json[setting] = node;
        else if (path[0] == "model") json["model"]![path[1]] = node;
        else json["added_tokens"]![0]![path[1]] = node;

        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path));
        StringAssert.Contains(exception.Setting, path[^1]);
        Assert.AreEqual(folder.File("tokenizer.json"), exception.Path);
    }

    [TestMethod]
    [DataRow("""{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}}""")]
    [DataRow("""{"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}, {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {}}]}""")]
    public void A_post_processor_that_adds_no_token_is_read_over(string processor)
    {
        // The first is what transformers 5 writes for a GPT-2 whose texts no token begins or ends.
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        json["post_processor"] = JsonNode.Parse(processor);
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        CollectionAssert.AreEqual(new[] { 257, 258 }, GptTokenizer.Load(folder.Path).Encode("abc<|endoftext|>"));
    }

    [TestMethod]
    [DataRow("'vocab' with a gap", "none for id 257, though '<|endoftext|>' has id 258")]
    [DataRow("'vocab' without a byte", "byte 0x41")]
    [DataRow("'vocab' with a token outside the byte alphabet", "'日'")]
    [DataRow("a merge outside the byte alphabet", "with '日'")]
    [DataRow("a byte that is a special token of another text", "'Ċ', which also is the vocabulary's token for the bytes 0A")]
    [DataRow("a merge that is a special token of another text", "'Ġa', which also is the vocabulary's token for the bytes 2061")]
    [DataRow("no end of text", "<|endoftext|>")]
    public void A_legal_tokenizer_json_that_would_be_got_wrong_is_refused_by_name_and_not_as_corrupt(string reason, string part)
    {
        JsonObject json = TokenizerFiles.Json();
        JsonNode model = json["model"]!;
        JsonObject vocabulary = model["vocab"]!.AsObject();
        JsonArray merges = model["merges"]!.AsArray();
        JsonArray added = json["added_tokens"]!.AsArray();
        switch (reason)
        {
            case "'vocab' with a gap": vocabulary.Remove("abc"); merges.RemoveAt(1); break;
            case "'vocab' without a byte": vocabulary.Remove("A"); vocabulary["bb"] = Array.IndexOf(TokenizerFiles.ByteTokens, "A"); break;
            case "'vocab' with a token outside the byte alphabet": vocabulary.Remove("abc"); vocabulary["日"] = 257; merges.RemoveAt(1); break;
            case "a merge outside the byte alphabet": Add(259, "日"); Add(260, "日a"); merges.Add("日 a"); break;
            case "a byte that is a special token of another text": Add(Array.IndexOf(TokenizerFiles.ByteTokens, "Ċ"), "Ċ"); break;
            case "a merge that is a special token of another text": vocabulary["Ġa"] = 259; merges.Add("Ġ a"); Add(259, "Ġa"); break;
            case "no end of text": added[0]!["content"] = "<|end|>"; break;
        }

        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path));
        StringAssert.Contains(exception.Message, part);
        Assert.AreEqual(folder.File("tokenizer.json"), exception.Path);

        void Add(int id, string token) => added.Add(new JsonObject { ["id"] = id, ["content"] = token, ["special"] = true });
    }

    [TestMethod]
    [DataRow("a\n")]
    [DataRow("a b c\n")]
    [DataRow(" a\n")]
    [DataRow("a \n")]
    [DataRow("a zz\n")]
    [DataRow("x y\n")]
    [DataRow("a b\n")]
    [DataRow("#version: 0.2\n")]
    public void Broken_merges_are_refused(string added)
    {
        using var folder = new TemporaryFolder();
        (string vocabulary, string merges) = TokenizerFiles.Pair();
        string message = Corrupt(() => GptTokenizer.FromVocabularyAndMerges(folder.Write("v.json", vocabulary), folder.Write("m.txt", merges + added)));
        StringAssert.Contains(message, folder.File("m.txt"));
    }

    [TestMethod]
    public void Merges_that_are_not_UTF8_are_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("m.txt"), [(byte)'a', (byte)' ', 0xFF, (byte)'\n']);
        StringAssert.Contains(Corrupt(() => GptTokenizer.FromVocabularyAndMerges(folder.Write("v.json", TokenizerFiles.Pair().Vocabulary), folder.File("m.txt"))), "byte 2");
    }

    [TestMethod]
    [DataRow("", "no tokens")]
    [DataRow("YQ==\n", "line 1")]
    [DataRow("YQ== x\n", "line 1")]
    [DataRow("YQ== -1\n", "line 1")]
    [DataRow("YQ== 99999999999\n", "line 1")]
    [DataRow("Y$== 0\n", "line 1")]
    [DataRow(" 0\n", "line 1")]
    [DataRow("ALL YWI= 258\n", "repeats token 'ab'")]
    [DataRow("ALL eHk= 256\n", "same id 256")]
    [DataRow("ALL eHl6 258\n", "'xyz' of rank 258")]
    [DataRow("ALL LONG 258\n", "2000 bytes")]
    public void A_broken_rank_file_is_refused(string contents, string part)
    {
        using var folder = new TemporaryFolder();
        contents = contents.Replace("ALL ", TokenizerFiles.Tiktoken()).Replace("LONG", Convert.ToBase64String(new byte[2_000]));
        StringAssert.Contains(Corrupt(() => GptTokenizer.FromTiktoken(folder.Write("t.tiktoken", contents))), part);
    }

    [TestMethod]
    public void Missing_files_are_errors_that_name_them()
    {
        using var folder = new TemporaryFolder();
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptTokenizer.Load(folder.Path)).Message, "tokenizer.json");
        string nowhere = folder.File("nowhere");
        CheckpointNotFoundException missing = Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptTokenizer.Load(nowhere));
        Assert.AreEqual(nowhere, missing.Path);
        StringAssert.Contains(missing.Message, "there is no such folder");
        folder.Write("vocab.json", "{}");
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptTokenizer.Load(folder.Path));
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptTokenizer.FromTiktoken(folder.File("x.tiktoken"))).Message, "x.tiktoken");
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptTokenizer.FromVocabularyAndMerges(folder.File("x.json"), folder.File("m.txt"))).Message, "x.json");
    }

    [TestMethod]
    public void A_folder_that_can_not_be_written_is_an_error()
    {
        using var folder = new TemporaryFolder();
        folder.Write("file", "");
        Assert.ThrowsExactly<FolderNotWritableException>(() => GptTokenizer.FromCharacters(["a"]).Save(folder.File("file/sub")));
        Assert.AreEqual("", File.ReadAllText(folder.File("file")));
    }

    private static string Corrupt(Action action) => Assert.ThrowsExactly<CorruptFileException>(action).Message;

    [TestMethod]
    public void Saving_replaces_no_file_where_one_of_them_cannot_be_written()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer.TrainBytePairEncoding(["low lower"], new() { VocabularySize = 260, MinimumFrequency = 1 }).Save(folder.Path);
        string[] names = ["vocab.json", "merges.txt", "tokenizer.json"];
        string[] before = [.. names.Select(name => File.ReadAllText(folder[name]))];
        GptTokenizer other = GptTokenizer.TrainBytePairEncoding(["new newer"], new() { VocabularySize = 260, MinimumFrequency = 1 });
        using (new AtomicFile(folder["tokenizer.json"])) // the last of them is being written by another
            Assert.ThrowsExactly<ConcurrentWriteException>(() => other.Save(folder.Path));
        CollectionAssert.AreEqual(before, names.Select(name => File.ReadAllText(folder[name])).ToArray());
        Assert.HasCount(3, Directory.GetFileSystemEntries(folder.Path));
        other.Save(folder.Path);
        Assert.AreEqual(other.Hash, GptTokenizer.Load(folder.Path).Hash);
    }
}

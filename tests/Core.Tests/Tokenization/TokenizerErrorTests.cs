using System.Text;
using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>What is wrong with a tokenizer's files is said with the value that was found, the one that would be right, and the remedy.</summary>
[TestClass]
public sealed class TokenizerErrorTests
{
    private const string Again = "Copy the tokenizer's files again from where they come from.";
    private const string Classes = "GPT2Tokenizer or GPT2TokenizerFast or CodeGenTokenizer or CodeGenTokenizerFast or PreTrainedTokenizer or PreTrainedTokenizerFast or TokenizersBackend";

    [TestMethod]
    [DataRow("normalizer", """{"type":"NFC"}""", "normalizer", null, "null")]
    [DataRow("pre_tokenizer", "null", "pre_tokenizer", "null", "ByteLevel without a prefix space")]
    [DataRow("pre_tokenizer", """{"type":"Whitespace"}""", "pre_tokenizer", null, "ByteLevel without a prefix space")]
    [DataRow("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true}""", "pre_tokenizer.add_prefix_space", "not false", "false")]
    [DataRow("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""", "pre_tokenizer.use_regex", "false", "true")]
    [DataRow("post_processor", """{"type":"TemplateProcessing"}""", "post_processor", null, "ByteLevel, a template of the text alone, or null")]
    [DataRow("post_processor", """{"type":"BertProcessing"}""", "post_processor", null, "ByteLevel, a template of the text alone, or null")]
    [DataRow("decoder", "null", "decoder", "null", "ByteLevel")]
    [DataRow("decoder", """{"type":"WordPiece"}""", "decoder", "WordPiece", "ByteLevel")]
    [DataRow("model.type", "\"WordPiece\"", "model.type", "WordPiece", "BPE")]
    [DataRow("model.dropout", "0.1", "dropout", null, "none")]
    [DataRow("model.unk_token", "\"<unk>\"", "unk_token", null, "none")]
    [DataRow("model.unk_token", "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"", "unk_token", null, "none")] // sixty characters with the quotes
    [DataRow("model.unk_token", "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"", "unk_token", "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…", "none")]
    public void An_unsupported_setting_is_told_with_what_is_supported(string key, string value, string setting, string? found, string supported)
    {
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        if (key.StartsWith("model.", StringComparison.Ordinal)) json["model"]![key[6..]] = JsonNode.Parse(value);
        else json[key] = JsonNode.Parse(value);
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        var error = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path));
        Assert.AreEqual((setting, found ?? value, supported), (error.Setting, error.Found, error.Supported));
    }

    [TestMethod]
    [DataRow("decoder", "7", "'decoder' is 7, not an object with a 'type'.")]
    [DataRow("decoder", """{"kind":"Fuse"}""", """'decoder' is {"kind":"Fuse"}, not an object with a 'type'.""")]
    [DataRow("decoder", """{"type":7}""", "'decoder.type' is 7, not a string.")]
    [DataRow("pre_tokenizer", """{"type":null}""", "'pre_tokenizer.type' is null, not a string.")]
    [DataRow("model.type", "7", "'model.type' is 7, not a string.")]
    [DataRow("model.merges", "7", "'model' has no array 'merges'.")]
    [DataRow("model.merges", "null", "'model' has no array 'merges'.")]
    [DataRow("model.merges", """["a b",["a",7]]""", "merge 1 is 7, not a string.")]
    [DataRow("model.merges", """["a b"," b"]""", "merge 1, ' b', isn't two tokens with one space between them.")]
    [DataRow("model.merges", """["a b","b "]""", "merge 1, 'b ', isn't two tokens with one space between them.")]
    [DataRow("model.merges", """["a b c"]""", "merge 0, 'a b c', isn't two tokens with one space between them.")]
    [DataRow("model.merges", """["zz a"]""", "merge 0, 'zz a', needs token 'zz', which the vocabulary lacks.")]
    [DataRow("added_tokens", """[{"id":258,"content":7}]""", "an added token's 'content' is 7, not a string.")]
    [DataRow("added_tokens", """[{"id":1.5,"content":"x"}]""", """an added token is {"id":1.5,"content":"x"}, not an object with 'id' and 'content'.""")]
    [DataRow("added_tokens", "[7]", "an added token is 7, not an object with 'id' and 'content'.")]
    public void A_wrong_value_is_told_with_what_it_must_be(string key, string value, string problem)
    {
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        if (key.StartsWith("model.", StringComparison.Ordinal)) json["model"]![key[6..]] = JsonNode.Parse(value);
        else json[key] = JsonNode.Parse(value);
        string path = folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        Assert.AreEqual($"'{path}' can't be read: {problem} {Again}", Corrupt(() => GptTokenizer.Load(folder.Path)));
    }

    [TestMethod]
    [DataRow("[]", "it holds [], not an object.")]
    [DataRow("{}", "it has no object 'model'.")]
    [DataRow("""{"model":{"vocab":{"a":0,"b":1},"merges":["a b"]},"decoder":{"type":"Fuse"},"added_tokens":[{"id":2,"content":"<|endoftext|>","special":true}]}""", "it is a character vocabulary, but has 1 merges.")]
    [DataRow("""{"model":{"vocab":{"a":0,"bc":1},"merges":[]},"decoder":{"type":"Fuse"},"added_tokens":[{"id":2,"content":"<|endoftext|>","special":true}]}""", "token 1, 'bc', of a character vocabulary isn't one character and isn't an added token.")]
    public void A_vocabulary_of_characters_is_told_what_is_wrong_with_it(string contents, string problem)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("tokenizer.json", contents);
        Assert.AreEqual($"'{path}' can't be read: {problem} {Again}", Corrupt(() => GptTokenizer.Load(folder.Path)));
    }

    [TestMethod]
    public void A_vocabulary_that_would_be_got_wrong_is_told_with_what_to_do()
    {
        Check(static vocabulary => { vocabulary.Remove("A"); vocabulary["bb"] = Array.IndexOf(TokenizerFiles.ByteTokens, "A"); }, "vocabulary", "without a token for byte 0x41 ('A' in GPT-2's byte alphabet)", "a token for each byte that UTF-8 has, so that every text can be encoded",
            "Add the token, or train a vocabulary with all bytes; without it texts with that byte would lose it.");
        Check(static vocabulary => vocabulary["日"] = 259, "token 259", "'日', which has a character outside GPT-2's byte alphabet and isn't an added token", "a token of that alphabet",
            "Encoding without it would give other tokens; use a byte-level BPE tokenizer of GPT-2's form.");
        Check(static vocabulary => (vocabulary["aa"], vocabulary["aaa"], vocabulary["aaaa"]) = (270, 290, 280), "ids", "none for id 259, though 'aaa' has id 290", "262 tokens with the ids 0 to 261", "Give the special tokens that have the missing ids, with the file or as an argument.");
        Check(static vocabulary => vocabulary["aa"] = int.MaxValue, "ids", "none for id 259, though 'aa' has id 2147483647", "260 tokens with the ids 0 to 259", "Give the special tokens that have the missing ids, with the file or as an argument.");
        CheckAdded(static added => added[0]!["content"] = "<|end|>", "special tokens", "without '<|endoftext|>'", "with '<|endoftext|>', which separates documents and ends a generated text",
            "Add it to the vocabulary and to the special tokens, at the id that the model ends its texts with.");
        CheckAdded(static added => added.Add(new JsonObject { ["id"] = Array.IndexOf(TokenizerFiles.ByteTokens, "Ċ"), ["content"] = "Ċ", ["special"] = true }), "special tokens", "'Ċ', which also is the vocabulary's token for the bytes 0A",
            "special tokens that stand for one text", "Choose another text for the special token, such as '<|name|>'.");
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        (json["model"]!["vocab"]!["日"], json["model"]!["vocab"]!["日a"]) = (259, 260);
        foreach (string token in (string[])["日", "日a"]) json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = token.Length + 258, ["content"] = token });
        json["model"]!["merges"]!.AsArray().Add("日 a");
        Same(folder, json, "merge 2", "'日 a' with '日', which has a character outside GPT-2's byte alphabet", "merges of tokens of that alphabet", "Encoding without it would give other tokens; use a byte-level BPE tokenizer of GPT-2's form.");

        static void Check(Action<JsonObject> edit, string setting, string found, string supported, string remedy)
        {
            using var folder = new TemporaryFolder();
            JsonObject json = TokenizerFiles.Json();
            edit(json["model"]!["vocab"]!.AsObject());
            Same(folder, json, setting, found, supported, remedy);
        }

        static void CheckAdded(Action<JsonArray> edit, string setting, string found, string supported, string remedy)
        {
            using var folder = new TemporaryFolder();
            JsonObject json = TokenizerFiles.Json();
            edit(json["added_tokens"]!.AsArray());
            Same(folder, json, setting, found, supported, remedy);
        }

        static void Same(TemporaryFolder folder, JsonObject json, string setting, string found, string supported, string remedy)
        {
            string path = folder.Write("tokenizer.json", TokenizerFiles.Text(json));
            Assert.AreEqual($"'{path}': '{setting}' is {found}; supported is {supported}. {remedy}", Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path)).Message);
        }
    }

    [TestMethod]
    [DataRow("GPT2Tokenizer")]
    [DataRow("GPT2TokenizerFast")]
    [DataRow("CodeGenTokenizer")]
    [DataRow("CodeGenTokenizerFast")]
    [DataRow("PreTrainedTokenizer")]
    [DataRow("PreTrainedTokenizerFast")]
    [DataRow("TokenizersBackend")]
    public void A_class_that_cuts_words_as_GPT2_does_is_accepted(string name)
    {
        using var folder = new TemporaryFolder();
        WritePair(folder);
        folder.Write("tokenizer_config.json", $$"""{"tokenizer_class":"{{name}}","add_prefix_space":false,"add_bos_token":false,"add_eos_token":false}""");
        CollectionAssert.AreEqual(new[] { 257, 258 }, GptTokenizer.Load(folder.Path).Encode("abc<|endoftext|>"));
    }

    [TestMethod]
    [DataRow("tokenizer_class", "\"LlamaTokenizer\"", "LlamaTokenizer", Classes)]
    [DataRow("add_prefix_space", "true", "true", "none")]
    [DataRow("add_bos_token", "true", "true", "none")]
    [DataRow("add_eos_token", "true", "true", "none")]
    [DataRow("single_word", "true", "true", "none")]
    [DataRow("lstrip", "true", "true", "none")]
    [DataRow("rstrip", "true", "true", "none")]
    public void What_a_folder_asks_for_and_is_not_supported_is_told(string setting, string value, string found, string supported)
    {
        using var folder = new TemporaryFolder();
        WritePair(folder);
        bool ofToken = setting is "single_word" or "lstrip" or "rstrip";
        string path = folder.Write("tokenizer_config.json", ofToken ? $$$"""{"unk_token":{"content":"<|endoftext|>","{{{setting}}}":{{{value}}}}}""" : $$"""{"{{setting}}":{{value}}}""");
        var error = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path));
        Assert.AreEqual((path, setting, found, supported), (error.Path, error.Setting, error.Found, error.Supported));
    }

    [TestMethod]
    [DataRow("[]", "it holds [], not an object.")]
    [DataRow("""{"tokenizer_class":7}""", "'tokenizer_class' is 7, not a string.")]
    [DataRow("""{"added_tokens_decoder":7}""", "'added_tokens_decoder' is 7, not an object.")]
    [DataRow("""{"added_tokens_decoder":{"x":"a"}}""", "'added_tokens_decoder' has the id 'x', which isn't a whole number.")]
    [DataRow("""{"added_tokens_decoder":{"258":7}}""", "added token 258 is 7, not a string.")]
    [DataRow("""{"added_tokens_decoder":{"258":{"content":7}}}""", "the 'content' of added token 258 is 7, not a string.")]
    [DataRow("""{"added_tokens_decoder":{"258":{"special":true}}}""", """added token 258 is {"special":true}, which has no 'content'.""")]
    [DataRow("""{"added_tokens_decoder":{"7":"ab"}}""", "added token 'ab' has id 7, and 256 in another of the folder's files.")]
    [DataRow("""{"bos_token":7}""", "'bos_token' is 7, not a string.")]
    [DataRow("""{"extra_special_tokens":7}""", "'extra_special_tokens' is 7, not a list of tokens.")]
    [DataRow("""{"additional_special_tokens":[7]}""", "an entry of 'additional_special_tokens' is 7, not a string.")]
    public void What_is_wrong_in_a_folders_configuration_is_told(string contents, string problem)
    {
        using var folder = new TemporaryFolder();
        WritePair(folder);
        string path = folder.Write("tokenizer_config.json", contents);
        Assert.AreEqual($"'{path}' can't be read: {problem} {Again}", Corrupt(() => GptTokenizer.Load(folder.Path)));
    }

    [TestMethod]
    [DataRow("bos_token", "\"<x>\"")]
    [DataRow("eos_token", "\"<x>\"")]
    [DataRow("unk_token", "\"<x>\"")]
    [DataRow("sep_token", "\"<x>\"")]
    [DataRow("pad_token", "\"<x>\"")]
    [DataRow("cls_token", "\"<x>\"")]
    [DataRow("mask_token", """{"content":"<x>","lstrip":false}""")]
    [DataRow("additional_special_tokens", """["","<x>"]""")]
    [DataRow("extra_special_tokens", """{"image":"<x>"}""")]
    public void A_token_that_a_file_calls_special_is(string name, string value)
    {
        foreach (string file in (string[])["tokenizer_config.json", "special_tokens_map.json"])
        {
            using var folder = new TemporaryFolder();
            WritePair(folder);
            folder.Write("added_tokens.json", """{"<|endoftext|>":258,"<x>":259,"<y>":260}""");
            string path = folder.Write(file, $$"""{"{{name}}":{{value}}}""");
            GptTokenizer tokenizer = GptTokenizer.Load(folder.Path);
            CollectionAssert.AreEqual(new[] { "<x>", "<|endoftext|>" }, tokenizer.SpecialTokens.Keys.Order(StringComparer.Ordinal).ToArray());
            CollectionAssert.AreEqual(new[] { 260, 259, 256 }, tokenizer.Encode("<y><x>ab"));
            Assert.AreEqual("<y>ab", tokenizer.Decode([260, 259, 256], skipSpecialTokens: true));
            folder.Write("added_tokens.json", "{}");
            Assert.AreEqual(
                $"'{path}': 'special tokens' is '<x>', which has no id in vocab.json or added_tokens.json; supported is tokens with an id. Add it to added_tokens.json with the id that the model knows it by, or take it out.",
                Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.Load(folder.Path)).Message);
        }
    }

    [TestMethod]
    public void A_file_or_folder_that_is_missing_is_told_with_what_to_do()
    {
        using var folder = new TemporaryFolder();
        const string Name = "Name the folder with the tokenizer's files, copy them there, or write them with GptTokenizer.Save.";
        foreach (string only in (string[])["vocab.json", "merges.txt"])
        {
            folder.Write(only, "");
            Assert.AreEqual($"'{folder.Path}' can't be opened: it has no tokenizer: neither tokenizer.json nor both vocab.json and merges.txt. {Name}", Missing(() => GptTokenizer.Load(folder.Path)));
            File.Delete(folder.File(only));
        }

        Assert.AreEqual($"'{folder.File("x")}' can't be opened: there is no such folder. {Name}", Missing(() => GptTokenizer.Load(folder.File("x"))));
        Assert.AreEqual($"'{folder.File("x")}' can't be opened: there is no such file. Check the path, or copy the tokenizer's files there.", Missing(() => GptTokenizer.FromTiktoken(folder.File("x"))));
        Assert.AreEqual("path", Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.FromTiktoken("")).ParamName);
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.Load("")).ParamName);
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.FromCharacters(["a"]).Save("")).ParamName);

        static string Missing(Action action) => Assert.ThrowsExactly<CheckpointNotFoundException>(action).Message;
    }

    [TestMethod]
    public void Lines_are_counted_from_one_and_only_the_first_may_name_the_version()
    {
        using var folder = new TemporaryFolder();
        (string vocabulary, string merges) = TokenizerFiles.Pair();
        string v = folder.Write("v.json", vocabulary), m = folder.Write("m.txt", "# a\n" + merges);
        Assert.AreEqual($"'{m}' can't be read: merge 0, '# a', needs token '#a', which the vocabulary lacks. {Again}", Corrupt(() => GptTokenizer.FromVocabularyAndMerges(v, m)));
        folder.Write("m.txt", merges + "a\n");
        Assert.AreEqual($"'{m}' can't be read: line 4, 'a', isn't two tokens with one space between them. {Again}", Corrupt(() => GptTokenizer.FromVocabularyAndMerges(v, m)));
        string t = folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + "YWI= 258\n");
        Assert.AreEqual($"'{t}' can't be read: line 259 repeats token 'ab' of rank 256. {Again}", Corrupt(() => GptTokenizer.FromTiktoken(t)));
        folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + " 258\n");
        Assert.AreEqual($"'{t}' can't be read: line 259 isn't a token in Base64, a space and a rank. {Again}", Corrupt(() => GptTokenizer.FromTiktoken(t)));
        folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + "  258\n");
        Assert.AreEqual($"'{t}' can't be read: line 259 isn't a token in Base64, a space and a rank. {Again}", Corrupt(() => GptTokenizer.FromTiktoken(t)));
        foreach ((int length, string problem) in ((int, string)[])[(1_024, $"token '{new string('A', 1_024)}' of rank 258 can't be made by merging two tokens of lower rank."), (1_025, "the token in line 259 has 1025 bytes; 1 to 1024 are allowed.")])
        {
            folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + $"{Convert.ToBase64String(Encoding.ASCII.GetBytes(new string('A', length)))} 258\n");
            Assert.AreEqual($"'{t}' can't be read: {problem} {Again}", Corrupt(() => GptTokenizer.FromTiktoken(t)));
        }
    }

    // Half a surrogate pair, as an escape, is no Unicode; StrictJson finds it before anything else is read.
    [TestMethod]
    public void Half_a_surrogate_pair_is_told()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("vocab.json", """{"\ud800":0}""");
        folder.Write("merges.txt", "");
        string message = Corrupt(() => GptTokenizer.Load(folder.Path));
        StringAssert.StartsWith(message, $"'{path}' can't be read: it isn't well-formed JSON (");
        StringAssert.EndsWith(message, $"). {Again}");
    }

    // Of 200 merged tokens two may reach over the end of a word of GPT-2's: 1 %.
    [TestMethod]
    public void Another_pattern_is_told_by_the_tokens_that_reach_over_a_words_end()
    {
        string[] words = [.. Enumerable.Range(0, 197).Select(static i => $"{(char)('a' + (i % 26))}{(char)('a' + (i / 26))}")];
        WordPattern.Require([.. words, "a1", "b1", "cc"], "p");
        foreach (string silent in (string[])["日", "Ã"]) WordPattern.Require([silent, .. words, "a1", "b1"], "p"); // what is no token of bytes, or half a character, tells nothing
        WordPattern.Require([], "p");
        var error = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => WordPattern.Require([.. words, "a1", "b1", "c1"], "p"));
        Assert.AreEqual(("the pattern that cuts words", "another one: 3 of 200 merged tokens, such as 'a1', reach over the end of a word of GPT-2's", $"GPT-2's, '{GptPreTokenizer.Pattern}', as gpt2, r50k_base and p50k_base have it"), (error.Setting, error.Found, error.Supported));
        foreach ((int count, string name) in ((int, string)[])[(100_000, "cl100k_base"), (199_742, "o200k_base"), (127_744, "Llama 3"), (151_387, "Qwen")])
            StringAssert.StartsWith(Assert.ThrowsExactly<UnsupportedTokenizerException>(() => WordPattern.Require(Enumerable.Repeat("x1", count), "p")).Found, $"that of {name}: {count} of {count} merged tokens, such as 'x1',");
    }

    // Of a rank file the tokens of several bytes are looked at: "ab", "abc" and ";\n".
    [TestMethod]
    public void A_rank_file_of_another_pattern_is_told_by_its_tokens()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + "Owo= 258\n");
        var error = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.FromTiktoken(path));
        Assert.AreEqual((path, "another one: 1 of 3 merged tokens, such as ';Ċ', reach over the end of a word of GPT-2's"), (error.Path, error.Found));
    }

    [TestMethod]
    public void A_saved_tokenizer_json_is_Hugging_Faces_member_by_member()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer.TrainBytePairEncoding(["ab ab"], new() { VocabularySize = 259, MinimumFrequency = 1, SpecialTokens = ["<|endoftext|>", "<x>"] }).Save(folder.Path);
        byte[] bytes = File.ReadAllBytes(folder.File("tokenizer.json"));
        Assert.AreEqual((byte)'{', bytes[0]); // no mark of the encoding
        Assert.AreEqual((byte)'#', File.ReadAllBytes(folder.File("merges.txt"))[0]);
        JsonObject json = JsonNode.Parse(bytes)!.AsObject();
        json["model"]!.AsObject().Remove("vocab");
        Assert.AreEqual(
            """{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":1,"content":"<x>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"merges":["a b"]}}""",
            TokenizerFiles.Text(json));
        GptTokenizer.FromCharacters(["ab"]).Save(folder.Path);
        Assert.AreEqual(
            """{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":2,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"b":1,"<|endoftext|>":2},"merges":[]}}""",
            TokenizerFiles.Text(JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!));
    }

    [TestMethod]
    public void Texts_that_make_no_tokenizer_are_told()
    {
        Assert.AreEqual("texts", Assert.ThrowsExactly<ArgumentNullException>(() => GptTokenizer.FromCharacters(null!)).ParamName);
        Assert.AreEqual("texts", Assert.ThrowsExactly<ArgumentNullException>(() => GptTokenizer.TrainBytePairEncoding(null!)).ParamName);
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.FromCharacters(["a", null!])).Message, "A text is null; leave it out.");
        Assert.AreEqual("There is no character to make a token of: no texts were given, or all are empty. Give at least one text.", Assert.ThrowsExactly<EmptyCorpusException>(() => GptTokenizer.FromCharacters([""])).Message);
        StringAssert.StartsWith(
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GptTokenizer.FromCharacters(["a"]).Encode("a", (SpecialTokenHandling)7)).Message, "7 is none of SpecialTokenHandling's values; choose Recognize or AsText.");
        Assert.AreEqual("SpecialTokens", Assert.ThrowsExactly<ArgumentNullException>(() => GptTokenizer.TrainBytePairEncoding(["a"], new() { SpecialTokens = null! })).ParamName);
    }

    private static void WritePair(TemporaryFolder folder)
    {
        (string vocabulary, string merges) = TokenizerFiles.Pair();
        folder.Write("vocab.json", vocabulary);
        folder.Write("merges.txt", merges);
    }

    private static string Corrupt(Action action) => Assert.ThrowsExactly<CorruptFileException>(action).Message;
}

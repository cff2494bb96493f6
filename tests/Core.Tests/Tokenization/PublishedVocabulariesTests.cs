using System.Text.Json.Nodes;
using MLNet.Gpt.Core.Tests.Checkpoint;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>Vocabularies as they are published: without some bytes, with tokens added by hand, with special tokens that are ordinary entries, with gaps.</summary>
[TestClass]
public sealed class PublishedVocabulariesTests
{
    // C0, C1 and F5 to FF are no part of any UTF-8 text.
    private static readonly byte[] s_never = [0xC0, 0xC1, .. Enumerable.Range(0xF5, 11).Select(value => (byte)value)];

    [TestMethod]
    public void A_vocabulary_without_the_bytes_that_UTF8_never_has_encodes_every_text()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer[] tokenizers = [LoadBytes(folder, s_never), LoadPair(folder, s_never), LoadRanks(folder, s_never)];
        foreach (GptTokenizer tokenizer in tokenizers)
        {
            Assert.AreEqual(244, tokenizer.VocabularySize);
            Assert.AreEqual(243, tokenizer.EndOfTextId);
            foreach (string text in SampleTexts.Awkward)
            {
                int[] ids = tokenizer.Encode(text);
                Assert.HasCount(System.Text.Encoding.UTF8.GetByteCount(text), ids);
                Assert.AreEqual(text, tokenizer.Decode(ids));
            }

            Assert.AreEqual("a\uFFFDb", tokenizer.Decode(tokenizer.Encode("a\uD800b")));
        }

        tokenizers[0].Save(folder["again"]);
        Assert.AreEqual(tokenizers[0].Hash, GptTokenizer.Load(folder["again"]).Hash);
    }

    [TestMethod]
    public void A_vocabulary_without_another_byte_is_refused_by_its_name()
    {
        using var folder = new TemporaryFolder();
        foreach (Action load in (Action[])[() => LoadBytes(folder, [.. s_never, 0x0B]), () => LoadPair(folder, [.. s_never, 0x0B]), () => LoadRanks(folder, [.. s_never, 0x0B])])
        {
            UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(load);
            StringAssert.Contains(exception.Message, "byte 0x0B ('ċ'");
        }
    }

    [TestMethod]
    public void Tokens_added_by_hand_to_a_file_pair_are_read_and_kept()
    {
        using var folder = new TemporaryFolder();
        WriteSlowTokenizer(folder, "model");
        GptTokenizer tokenizer = GptTokenizer.Load(folder["model"]);
        Assert.AreEqual(262, tokenizer.VocabularySize);
        CollectionAssert.AreEqual(new[] { Id("a"), 261, Id("b") }, tokenizer.Encode("a<|SEP|>b"));
        CollectionAssert.AreEquivalent(new[] { "<|endoftext|>", "<|BOS|>", "<|EOS|>", "<|UNK|>", "<|PAD|>", "<|SEP|>" }, tokenizer.SpecialTokens.Keys.ToArray());
        Assert.AreEqual("ab", tokenizer.Decode([Id("a"), 261, Id("b")], skipSpecialTokens: true));

        tokenizer.Save(folder["again"]);
        Assert.AreEqual(tokenizer.Hash, GptTokenizer.Load(folder["again"]).Hash);
    }

    [TestMethod]
    public void A_checkpoint_with_fewer_tokens_than_its_tokenizers_added_ones_is_a_mismatch()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = 257 }));
        WriteSlowTokenizer(folder, "model");
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        StringAssert.Contains(Assert.ThrowsExactly<TokenizerMismatchException>(() => checkpoint.Tokenizer).Message, "a model of 257 tokens, but is used with a tokenizer of 262");
    }

    [TestMethod]
    public void Added_tokens_that_are_not_special_are_found_in_every_text_and_decoded_as_text()
    {
        using var folder = new TemporaryFolder();
        WriteSlowTokenizer(folder, "model");
        File.Delete(folder["model/special_tokens_map.json"]);
        GptTokenizer slow = GptTokenizer.Load(folder["model"]);
        slow.Save(folder["again"]);
        GptTokenizer fast = GptTokenizer.Load(folder["again"]); // with "special": false in its tokenizer.json
        Assert.AreEqual(slow.Hash, fast.Hash);
        foreach (GptTokenizer tokenizer in (GptTokenizer[])[slow, fast])
        {
            CollectionAssert.AreEqual(new[] { "<|endoftext|>" }, tokenizer.SpecialTokens.Keys.ToArray());
            CollectionAssert.AreEqual(new[] { 261, 256 }, tokenizer.Encode("<|SEP|><|endoftext|>"));
            int[] literal = tokenizer.Encode("<|SEP|><|endoftext|>", SpecialTokenHandling.AsText);
            Assert.AreEqual(261, literal[0]);
            Assert.HasCount(14, literal);
            Assert.AreEqual("<|SEP|>", tokenizer.Decode([261, 256], skipSpecialTokens: true));
        }

        WriteSlowTokenizer(folder, "model");
        Assert.AreNotEqual(slow.Hash, GptTokenizer.Load(folder["model"]).Hash, "special or not is a difference");
    }

    [TestMethod]
    public void A_file_pairs_special_tokens_may_be_entries_of_its_vocabulary_and_come_from_the_configuration()
    {
        using var folder = new TemporaryFolder();
        JsonObject vocabulary = Vocabulary("<s>", "</s>", "<mask>");
        folder.Write("a/vocab.json", TokenizerFiles.Text(vocabulary));
        folder.Write("a/merges.txt", "#version: 0.2\n");
        folder.Write("a/added_tokens.json", """{"<|endoftext|>": 259}""");
        folder.Write("a/tokenizer_config.json", """
            {"tokenizer_class": "GPT2Tokenizer", "bos_token": {"content": "<s>", "lstrip": false}, "add_bos_token": false, "model_max_length": 1024, "pad_token": null,
             "added_tokens_decoder": {"257": {"content": "</s>", "special": true}, "260": {"content": "<plain>", "special": false}}}
            """);
        GptTokenizer tokenizer = GptTokenizer.Load(folder["a"]);
        Assert.AreEqual(261, tokenizer.VocabularySize);
        Assert.AreEqual(259, tokenizer.EndOfTextId);
        CollectionAssert.AreEquivalent(new[] { "<s>", "</s>", "<|endoftext|>" }, tokenizer.SpecialTokens.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { 256, 260, 257 }, tokenizer.Encode("<s><plain></s>"));
        Assert.HasCount(6, tokenizer.Encode("<mask>"), "an entry that nothing adds and no merge gives");
    }

    [TestMethod]
    [DataRow("added_tokens.json", "[1]", "not an object", typeof(CorruptFileException))]
    [DataRow("added_tokens.json", "{\"<|x|>\": \"7\"}", "<|x|>", typeof(CorruptFileException))]
    [DataRow("added_tokens.json", "{\"!\": 300}", "'!' has id 300, and 0", typeof(CorruptFileException))]
    [DataRow("added_tokens.json", "{\"<|x|>\": 5}", "same id 5", typeof(CorruptFileException))]
    [DataRow("added_tokens.json", "{\"<|x|>\": 300}", "id 257", typeof(UnsupportedTokenizerException))]
    [DataRow("added_tokens.json", "{\"\": 257}", "is empty", typeof(CorruptFileException))]
    [DataRow("added_tokens.json", "{", "JSON", typeof(CorruptFileException))]
    [DataRow("special_tokens_map.json", "{\"pad_token\": \"<pad>\"}", "'<pad>', which has no id", typeof(UnsupportedTokenizerException))]
    [DataRow("special_tokens_map.json", "{\"pad_token\": 7}", "'pad_token' is 7", typeof(CorruptFileException))]
    [DataRow("special_tokens_map.json", "{\"mask_token\": {\"content\": \"a\", \"lstrip\": true}}", "lstrip", typeof(UnsupportedTokenizerException))]
    [DataRow("special_tokens_map.json", "{\"mask_token\": {}}", "'content'", typeof(CorruptFileException))]
    [DataRow("special_tokens_map.json", "{\"additional_special_tokens\": \"a\"}", "not a list", typeof(CorruptFileException))]
    [DataRow("tokenizer_config.json", "{\"tokenizer_class\": \"CLIPTokenizer\"}", "CLIPTokenizer", typeof(UnsupportedTokenizerException))]
    [DataRow("tokenizer_config.json", "{\"add_prefix_space\": true}", "add_prefix_space", typeof(UnsupportedTokenizerException))]
    [DataRow("tokenizer_config.json", "{\"add_bos_token\": true}", "add_bos_token", typeof(UnsupportedTokenizerException))]
    [DataRow("tokenizer_config.json", "{\"added_tokens_decoder\": []}", "not an object", typeof(CorruptFileException))]
    [DataRow("tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": \"a\"}}", "'x'", typeof(CorruptFileException))]
    [DataRow("tokenizer_config.json", "[]", "not an object", typeof(CorruptFileException))]
    public void What_stands_beside_a_file_pair_is_read_or_refused_by_name(string file, string contents, string part, Type type)
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", TokenizerFiles.Text(Vocabulary("<|endoftext|>")));
        folder.Write("merges.txt", "#version: 0.2\n");
        folder.Write(file, contents);
        GptException exception = Assert.Throws<GptException>(() => GptTokenizer.Load(folder.Path));
        Assert.AreEqual(type, exception.GetType(), exception.Message);
        StringAssert.Contains(exception.Message, part);
    }

    [TestMethod]
    public void Special_tokens_may_be_bytes_and_results_of_merges()
    {
        // ab = 256, abc = 257 by the merges (a, b) and (ab, c); 'ab' and '!' are special too.
        using var folder = new TemporaryFolder();
        JsonObject json = TokenizerFiles.Json();
        JsonArray added = json["added_tokens"]!.AsArray();
        added.Add(new JsonObject { ["id"] = 256, ["content"] = "ab", ["special"] = true });
        added.Add(new JsonObject { ["id"] = Id("!"), ["content"] = "!", ["special"] = true });
        folder.Write("tokenizer.json", TokenizerFiles.Text(json));
        GptTokenizer tokenizer = GptTokenizer.Load(folder.Path);

        // As Hugging Face's tokenizers read it: "abc" is the special token and c.
        CollectionAssert.AreEqual(new[] { 256, Id("c"), Id("!") }, tokenizer.Encode("abc!"));

        // As text it is no special token: the merge that would give it is not made, nor the one that needs it. A byte has no other token.
        CollectionAssert.AreEqual(new[] { Id("a"), Id("b"), Id("c"), Id("!") }, tokenizer.Encode("abc!", SpecialTokenHandling.AsText));
        Assert.AreEqual("abc!", tokenizer.Decode(tokenizer.Encode("abc!")));
        Assert.AreEqual("c", tokenizer.Decode(tokenizer.Encode("abc!"), skipSpecialTokens: true));

        tokenizer.Save(folder["again"]);
        Assert.AreEqual(tokenizer.Hash, GptTokenizer.Load(folder["again"]).Hash);
    }

    [TestMethod]
    public void The_end_of_text_fills_the_gap_that_a_rank_file_leaves()
    {
        // As in p50k_base, whose ranks go to 50280 and leave 50256 out.
        using var folder = new TemporaryFolder();
        string ranks = TokenizerFiles.Tiktoken() + Convert.ToBase64String("xy"u8) + " 259\n";
        GptTokenizer tokenizer = GptTokenizer.FromTiktoken(folder.Write("t.tiktoken", ranks));
        Assert.AreEqual(260, tokenizer.VocabularySize);
        CollectionAssert.AreEqual(new[] { 258, 259, 257 }, tokenizer.Encode("<|endoftext|>xyabc"));

        string wider = folder.Write("w.tiktoken", ranks + Convert.ToBase64String("xyz"u8) + " 261\n");
        UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.FromTiktoken(wider));
        StringAssert.Contains(exception.Message, "none for id 260, though 'xyz' has id 261");
        StringAssert.Contains(exception.Message, "Give the special tokens");
        CollectionAssert.AreEqual(new[] { 260, 261 }, GptTokenizer.FromTiktoken(wider, new Dictionary<string, int> { ["<|endoftext|>"] = 258, ["<|x|>"] = 260 }).Encode("<|x|>xyz"));
    }

    [TestMethod]
    [DataRow("Cl100kBase", "cl100k_base", 100_000)]
    [DataRow("O200kBase", "o200k_base", 199_742)]
    [TestCategory("Long")]
    public void Ranks_of_words_cut_by_another_pattern_are_refused_by_name(string package, string name, int count)
    {
        using var folder = new TemporaryFolder();
        string path = PublishedRanks.Write(folder, package);
        UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(() => GptTokenizer.FromTiktoken(path));
        Assert.AreEqual(path, exception.Path);
        StringAssert.Contains(exception.Found, $"that of {name}");
        StringAssert.Contains(exception.Found, $" of {count} merged tokens");
    }

    [TestMethod]
    public void A_file_pair_of_another_pattern_is_refused()
    {
        // ";\n" is a word of cl100k_base's pattern, and two of GPT-2's.
        using var folder = new TemporaryFolder();
        string vocabulary = folder.Write("vocab.json", TokenizerFiles.Text(Vocabulary("<|endoftext|>", ";Ċ")));
        string merges = folder.Write("merges.txt", "#version: 0.2\n; Ċ\n");
        foreach (Action load in (Action[])[() => GptTokenizer.Load(folder.Path), () => GptTokenizer.FromVocabularyAndMerges(vocabulary, merges)])
        {
            UnsupportedTokenizerException exception = Assert.ThrowsExactly<UnsupportedTokenizerException>(load);
            Assert.AreEqual(merges, exception.Path);
            StringAssert.Contains(exception.Found, "1 of 1 merged tokens, such as ';Ċ'");
        }
    }

    private static int Id(string byteToken) => Array.IndexOf(TokenizerFiles.ByteTokens, byteToken);

    private static JsonObject Vocabulary(params string[] more) =>
        new(TokenizerFiles.ByteTokens.Concat(more).Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));

    private static string[] TokensWithout(byte[] missing) => [.. TokenizerFiles.ByteTokens.Except(missing.Select(TokenizerFiles.ByteTokenOf))];

    private static GptTokenizer LoadBytes(TemporaryFolder folder, byte[] missing)
    {
        string[] tokens = TokensWithout(missing);
        JsonObject json = TokenizerFiles.Json();
        json["model"]!["vocab"] = new JsonObject(tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));
        json["model"]!["merges"] = new JsonArray();
        json["added_tokens"]![0]!["id"] = tokens.Length;
        folder.Write("bytes/tokenizer.json", TokenizerFiles.Text(json));
        return GptTokenizer.Load(folder["bytes"]);
    }

    private static GptTokenizer LoadPair(TemporaryFolder folder, byte[] missing) => GptTokenizer.FromVocabularyAndMerges(
        folder.Write("v.json", TokenizerFiles.Text(new JsonObject(TokensWithout(missing).Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id))))),
        folder.Write("m.txt", "#version: 0.2\n"));

    private static GptTokenizer LoadRanks(TemporaryFolder folder, byte[] missing) => GptTokenizer.FromTiktoken(folder.Write(
        "r.tiktoken",
        string.Concat(Enumerable.Range(0, 256).Select(value => (byte)value).Except(missing).Select((value, rank) => $"{Convert.ToBase64String([value])} {rank}\n"))));

    private static void WriteSlowTokenizer(TemporaryFolder folder, string name)
    {
        folder.Write($"{name}/vocab.json", TokenizerFiles.Text(Vocabulary("<|endoftext|>")));
        folder.Write($"{name}/merges.txt", "#version: 0.2\n");
        folder.Write($"{name}/added_tokens.json", """{"<|PAD|>":260,"<|SEP|>":261,"<|UNK|>":259,"<|EOS|>":258,"<|BOS|>":257}""");
        folder.Write($"{name}/special_tokens_map.json", """
            {"bos_token":"<|BOS|>","eos_token":{"content":"<|EOS|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":true},
             "unk_token":"<|UNK|>","pad_token":"<|PAD|>","additional_special_tokens":["<|SEP|>"]}
            """);
        folder.Write($"{name}/tokenizer_config.json", """{"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"}""");
    }
}

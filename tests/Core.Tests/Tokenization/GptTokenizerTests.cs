using System.Text;
using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class GptTokenizerTests
{
    private static readonly GptTokenizer s_small = SampleTexts.TrainSmall("<|user|>");

    // Written by Hugging Face's tokenizers; see tests/reference/tokenizers_encodings.cjs.
    [TestMethod]
    public void Encodings_and_decodings_are_those_of_Hugging_Faces_tokenizers()
    {
        using var folder = new TemporaryFolder();
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestData.Fixture("tokenizers_encodings.json")));
        folder.Write("tokenizer.json", document.RootElement.GetProperty("tokenizer").GetRawText());
        GptTokenizer tokenizer = GptTokenizer.Load(folder.Path);
        Assert.AreEqual(604, tokenizer.VocabularySize, "600 trained tokens and 4 added ones");

        foreach (JsonElement encoding in document.RootElement.GetProperty("encodings").EnumerateArray())
        {
            string? text = encoding.GetProperty("text").GetString();
            int[] ids = [.. encoding.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            if (text is not null) CollectionAssert.AreEqual(ids, tokenizer.Encode(text), text);

            // Hugging Face's decoder reads the 'ö' of the special token <|schön|> as the byte 0xF6, and gives U+FFFD; ours gives the token.
            string expected = text == "<|schön|>!" ? text : encoding.GetProperty("decoded").GetString()!;
            Assert.AreEqual(expected, tokenizer.Decode(ids), text);
            Assert.AreEqual(encoding.GetProperty("skipped").GetString(), tokenizer.Decode(ids, skipSpecialTokens: true), text);
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Any_well_formed_text_decodes_to_itself()
    {
        var random = new Random(1);
        foreach (string text in SampleTexts.Awkward.Concat(Enumerable.Range(0, 300).Select(length => SampleTexts.Random(random, length))))
        {
            foreach (SpecialTokenHandling handling in Enum.GetValues<SpecialTokenHandling>())
            {
                int[] ids = s_small.Encode(text, handling);
                Assert.AreEqual(text, s_small.Decode(ids));
                CollectionAssert.AreEqual(Encoding.UTF8.GetBytes(text), ids.SelectMany(id => s_small.GetTokenBytes(id).ToArray()).ToArray());
            }
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Every_code_point_decodes_to_itself()
    {
        var text = new StringBuilder();
        for (int value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.IsValid(value)) continue;
            text.Append(new Rune(value).ToString());
            if (text.Length < 5_000 && value != 0x10FFFF) continue;
            string part = text.ToString();
            Assert.AreEqual(part, s_small.Decode(s_small.Encode(part)));
            text.Clear();
        }
    }

    [TestMethod]
    public void Each_of_the_256_bytes_has_a_token_of_its_own()
    {
        byte[] single = [.. Enumerable.Range(0, s_small.VocabularySize).Where(id => !s_small.IsSpecialToken(id)).Select(id => s_small.GetTokenBytes(id)).Where(token => token.Length == 1).Select(token => token.Span[0]).Order()];
        CollectionAssert.AreEqual(Enumerable.Range(0, 256).Select(value => (byte)value).ToArray(), single);
    }

    [TestMethod]
    public void A_lone_surrogate_is_encoded_as_the_replacement_character()
    {
        // Not data rows: an attribute can't hold a lone surrogate.
        (string Text, string Expected)[] cases =
        [
            ("\uD83D", "\uFFFD"),
            ("\uDC4D", "\uFFFD"),
            ("a\uDC4D\uD83Db", "a\uFFFD\uFFFDb"),
            ("👍\uD83D👍", "👍\uFFFD👍"),
            ("\uD83D\uD83D\uDC4D", "\uFFFD👍"),
            ("<|user|>\uD83D", "<|user|>\uFFFD"),
        ];
        foreach ((string text, string expected) in cases)
        {
            foreach (SpecialTokenHandling handling in Enum.GetValues<SpecialTokenHandling>())
            {
                int[] ids = s_small.Encode(text, handling);
                CollectionAssert.AreEqual(s_small.Encode(expected, handling), ids);
                Assert.AreEqual(expected, s_small.Decode(ids));
            }
        }
    }

    [TestMethod]
    public void Special_tokens_are_recognized_or_text_as_asked()
    {
        const string Text = "a<|user|>b<|endoftext|>";
        int user = s_small.SpecialTokens["<|user|>"];
        int[] recognized = s_small.Encode(Text);
        CollectionAssert.AreEqual((int[])[.. s_small.Encode("a"), user, .. s_small.Encode("b"), s_small.EndOfTextId], recognized);
        CollectionAssert.AreEqual(recognized, s_small.Encode(Text, SpecialTokenHandling.Recognize));

        int[] literal = s_small.Encode(Text, SpecialTokenHandling.AsText);
        Assert.IsFalse(literal.Any(s_small.IsSpecialToken));
        Assert.AreEqual(Text, s_small.Decode(literal));

        Assert.AreEqual(Text, s_small.Decode(recognized));
        Assert.AreEqual("ab", s_small.Decode(recognized, skipSpecialTokens: true));
        Assert.AreEqual(Text, s_small.Decode(literal, skipSpecialTokens: true));
    }

    [TestMethod]
    public void A_special_token_that_is_a_plain_word_is_text_where_text_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        TokenizerFiles.WriteBytes(folder, specials: ["word", GptTokenizer.EndOfText]);
        GptTokenizer tokenizer = GptTokenizer.Load(folder.Path);
        CollectionAssert.AreEqual(new[] { tokenizer.SpecialTokens["word"] }, tokenizer.Encode("word"));
        Assert.HasCount(4, tokenizer.Encode("word", SpecialTokenHandling.AsText));
    }

    [TestMethod]
    public void The_tokenizer_of_Microsoft_ML_Tokenizers_gives_the_same_ids()
    {
        foreach (string text in SampleTexts.Awkward.Append("a<|user|>b<|endoftext|>"))
        {
            CollectionAssert.AreEqual(s_small.Encode(text), s_small.Tokenizer.EncodeToIds(text).ToArray());
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Several_threads_may_encode_at_once()
    {
        var random = new Random(2);
        string[] texts = [.. Enumerable.Range(0, 200).Select(_ => SampleTexts.Random(random, 100))];
        int[][] expected = [.. texts.Select(text => SampleTexts.TrainSmall().Encode(text)).Take(20)];
        GptTokenizer shared = SampleTexts.TrainSmall();
        Parallel.For(0, 2_000, index =>
        {
            int[] ids = shared.Encode(texts[index % texts.Length]);
            if (index % texts.Length < expected.Length) CollectionAssert.AreEqual(expected[index % texts.Length], ids);
            Assert.AreEqual(texts[index % texts.Length], shared.Decode(ids));
        });
    }

    [TestMethod]
    public void Wrong_arguments_are_errors_that_name_them()
    {
        Assert.ThrowsExactly<ArgumentNullException>(() => s_small.Encode(null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => s_small.Decode(null!));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => s_small.Encode("a", (SpecialTokenHandling)7));
        TokenOutOfRangeException exception = Assert.ThrowsExactly<TokenOutOfRangeException>(() => s_small.Decode([1, 2, s_small.VocabularySize]));
        Assert.AreEqual(s_small.VocabularySize, exception.TokenId);
        StringAssert.Contains(exception.Message, "position 2");
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => s_small.Decode([-1]));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => s_small.GetTokenBytes(-1));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => s_small.IsSpecialToken(s_small.VocabularySize));
    }

    [TestMethod]
    public void The_hash_tells_tokenizers_apart_and_not_their_files()
    {
        Assert.AreEqual(64, s_small.Hash.Length);
        Assert.AreEqual(s_small.Hash, SampleTexts.TrainSmall("<|user|>").Hash);
        using var folder = new TemporaryFolder();
        s_small.Save(folder.Path);
        Assert.AreEqual(s_small.Hash, GptTokenizer.Load(folder.Path).Hash);

        KeyValuePair<string, long>[] vocabulary = [.. TokenizerFiles.ByteTokens.Concat(["ab", "bc", "x", "y"]).Distinct().Append(GptTokenizer.EndOfText).Select((token, id) => KeyValuePair.Create(token, (long)id))];
        string[] hashes =
        [
            Hash(vocabulary, [("a", "b"), ("b", "c")]),
            Hash(vocabulary, [("b", "c"), ("a", "b")]),
            Hash(vocabulary, [("a", "b")]),
            Hash([.. vocabulary.Select(pair => KeyValuePair.Create(pair.Key, pair.Key switch { "ab" => vocabulary.Single(other => other.Key == "bc").Value, "bc" => vocabulary.Single(other => other.Key == "ab").Value, _ => pair.Value }))], [("a", "b"), ("b", "c")]),
            GptTokenizer.FromCharacters(["ab"]).Hash,
            GptTokenizer.FromCharacters(["abc"]).Hash,
        ];
        CollectionAssert.AllItemsAreUnique(hashes);

        static string Hash(IReadOnlyCollection<KeyValuePair<string, long>> vocabulary, (string, string)[] merges) =>
            TokenizerDefinition.Create(GptTokenizerKind.ByteLevelBpe, vocabulary, merges, [GptTokenizer.EndOfText], "a test").ComputeHash();
    }

    // tiktoken's own tests of GPT-2's encoding (tests/test_encoding.py, tests/test_simple_public.py).
    [TestMethod]
    [TestCategory("Long")]
    public void GPT2s_vocabulary_gives_GPT2s_tokens()
    {
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        Assert.AreEqual(50_257, gpt2.VocabularySize);
        Assert.AreEqual(50_256, gpt2.EndOfTextId);
        AssertEncoding("hello world", 31373, 995);
        AssertEncoding("hello <|endoftext|>", 31373, 220, 50256);
        AssertEncoding("0", 15);
        AssertEncoding("00", 405);
        AssertEncoding("000", 830);
        AssertEncoding("0000", 2388);
        AssertEncoding("00000", 20483);
        AssertEncoding("000000", 10535);
        AssertEncoding("0000000", 24598);
        AssertEncoding(new string('0', 16), 25645);
        AssertEncoding(new string('0', 17), 8269, 10535, 830);
        Assert.HasCount(8, gpt2.Encode("hello <|endoftext|>", SpecialTokenHandling.AsText)); // hello, Ġ<, |, end, of, text, |, > and no special one

        void AssertEncoding(string text, params int[] ids)
        {
            CollectionAssert.AreEqual(ids, gpt2.Encode(text), text);
            Assert.AreEqual(text, gpt2.Decode(ids));
        }
    }

    [TestMethod]
    public void Tinyshakespeare_is_338025_GPT2_tokens()
    {
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        string text = File.ReadAllText(TestData.External("tinyshakespeare.txt"));
        int[] ids = gpt2.Encode(text, SpecialTokenHandling.AsText);
        Assert.HasCount(338_025, ids);
        Assert.AreEqual(text, gpt2.Decode(ids));
    }
}

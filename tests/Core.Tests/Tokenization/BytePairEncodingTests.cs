using System.Text;
using CsCheck;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class BytePairEncodingTests
{
    private static readonly GptTokenizer s_small = SampleTexts.TrainSmall("<|user|>");

    private static readonly (string Left, string Right)[] s_smallMerges =
        [.. s_small.Definition.Merges.Select(merge => (s_small.Definition.Tokens[merge.Left], s_small.Definition.Tokens[merge.Right]))];

    // Any UTF-16 units, lone surrogates among them, and runs of what the vocabulary knows.
    private static readonly Gen<string> s_text = Gen.Select(
        Gen.OneOf(Gen.Char.Array[0, 3].Select(units => new string(units)), OneOf("the", " merges", " a", "aaaa", "'re", "  ", "\r\n", "日本", "👍🏽", "é", "\uD83D", "==", "12")).Array[0, 40],
        string.Concat);

    // Vocabularies as no trainer makes them: few symbols, many ways to join them, and merges in any order.
    private static readonly Gen<(string Left, string Right)[]> s_merges =
        from pairs in Gen.Select(Gen.Int[0, 30], Gen.Int[0, 30]).Array[1, 24]
        from order in Gen.Shuffle(Enumerable.Range(0, 24).ToArray())
        select MergesOf(pairs, order);

    [TestMethod]
    [TestCategory("Long")]
    public void Any_text_has_the_tokens_of_the_definition() => s_text.Always(
        text =>
        {
            text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            string[] expected = [.. NaiveBytePairEncoding.Words(text).SelectMany(word => NaiveBytePairEncoding.Encode(word, s_smallMerges))];
            CollectionAssert.AreEqual(expected, s_small.Encode(text, SpecialTokenHandling.AsText).Select(id => s_small.Definition.Tokens[id]).ToArray());
        },
        iter: 1_000);

    [TestMethod]
    [TestCategory("Long")]
    public void Any_merges_in_any_order_give_the_tokens_of_the_definition_for_short_and_long_words() => Gen.Select(s_merges, OneOf('a', 'b', 'c', 'é').Array[0, 150]).Always(
        (merges, letters) =>
        {
            GptTokenizer tokenizer = Create(merges);
            string word = new(letters);
            string[] expected = [.. NaiveBytePairEncoding.Encode(word, merges)];
            for (int time = 0; time < 2; time++) // the second time short words are remembered
            {
                CollectionAssert.AreEqual(expected, tokenizer.Encode(word).Select(id => tokenizer.Definition.Tokens[id]).ToArray());
            }
        },
        iter: 2_000);

    // The same with a few fixed vocabularies, so that it takes no second, in which each of three letters is merged with each, so that no word is cut: words of up to 48 bytes are scanned for
    // their best pair, longer ones keep their pairs in a heap.
    [TestMethod]
    public void Merges_in_any_order_give_the_tokens_of_the_definition_in_long_words()
    {
        var random = new Random(8);
        for (int trial = 0; trial < 60; trial++)
        {
            int[] order = [.. Enumerable.Range(0, 24)];
            random.Shuffle(order);
            (string Left, string Right)[] merges = MergesOf([.. Enumerable.Range(0, 24).Select(i => i < 9 ? (i / 3, i % 3) : (random.Next(31), random.Next(31)))], order);
            GptTokenizer tokenizer = Create(merges);
            string word = new([.. Enumerable.Range(0, 49 + trial).Select(_ => "abc"[random.Next(3)])]);
            CollectionAssert.AreEqual(NaiveBytePairEncoding.Encode(word, merges), tokenizer.Encode(word).Select(id => tokenizer.Definition.Tokens[id]).ToArray(), $"trial {trial}");
        }
    }

    // In the first two, what a merge brings goes before what has waited longer: "ab" and "c" before the next "a" and "b", and that before "c" and "d". In the third no merge brings another.
    [TestMethod]
    public void The_lowest_rank_goes_first_in_long_words_whenever_it_comes()
    {
        var random = new Random(5);
        (string Left, string Right)[][] vocabularies =
        [
            [("ab", "c"), ("d", "ab"), ("a", "b"), ("c", "d"), ("d", "a"), ("b", "c")],
            [("ab", "c"), ("a", "b"), ("c", "d"), ("d", "a"), ("d", "ab")],
            [("c", "d"), ("a", "b"), ("b", "c"), ("d", "a"), ("b", "a"), ("d", "c")],
        ];
        foreach ((string Left, string Right)[] merges in vocabularies)
        {
            GptTokenizer tokenizer = Create(merges);
            for (int trial = 0; trial < 400; trial++)
            {
                string word = string.Concat(Enumerable.Range(0, 75).Select(_ => merges == vocabularies[2] && random.Next(2) == 0 ? "cdab" : "abcd"))[..(49 + (trial % 100))];
                CollectionAssert.AreEqual(NaiveBytePairEncoding.Encode(word, merges), tokenizer.Encode(word).Select(id => tokenizer.Definition.Tokens[id]).ToArray(), word);
            }
        }
    }

    [TestMethod]
    public void Any_text_decodes_to_itself() => s_text.Always(
        text =>
        {
            string wellFormed = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)); // U+FFFD for lone surrogates
            Assert.AreEqual(wellFormed, s_small.Decode(s_small.Encode(text)));
            Assert.AreEqual(wellFormed, s_small.Decode(s_small.Encode(text, SpecialTokenHandling.AsText)));
        },
        iter: 5_000);

    [TestMethod]
    public void Of_merges_of_one_rank_the_leftmost_goes_first_in_words_of_any_length()
    {
        // An odd run of a's: pairs from the left, and the last a alone. Then (aa, aa) and so on, from the left again: what remains stands at the end.
        GptTokenizer tokenizer = Create([("a", "a"), ("aa", "aa")]);
        foreach (int length in (int[])[7, 31, 48, 49, 101, 10_001])
        {
            string[] expected = [.. Enumerable.Repeat("aaaa", length / 4), .. Enumerable.Repeat("aa", length % 4 / 2), .. Enumerable.Repeat("a", length % 2)];
            CollectionAssert.AreEqual(expected, tokenizer.Encode(new string('a', length)).Select(id => tokenizer.Definition.Tokens[id]).ToArray());
        }
    }

    [TestMethod]
    public void A_lower_rank_goes_before_a_longer_match()
    {
        // (b, c) has the lowest rank, so that "abc" is a + bc though ab is a token.
        GptTokenizer tokenizer = Create([("b", "c"), ("a", "b")]);
        CollectionAssert.AreEqual(new[] { "a", "bc", "ab" }, tokenizer.Encode("abcab").Select(id => tokenizer.Definition.Tokens[id]).ToArray());
    }

    // benchmarks/run.sh tokenize says how long they take: a merge loop that looks at all pairs for each merge takes 5 to 20 s for each.
    [TestMethod]
    [TestCategory("Long")]
    public void Two_hundred_thousand_characters_without_a_break_decode_to_themselves()
    {
        var random = new Random(6);
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        (string Name, string Text)[] texts =
        [
            ("emoji", string.Concat(Enumerable.Repeat("👍", 200_000))),
            ("lone surrogates", new string('\uD83D', 200_000)),
            ("letters", new string([.. Enumerable.Range(0, 200_000).Select(_ => (char)random.Next('a', 'z' + 1))])),
            ("one letter", new string('a', 200_000)),
            ("line feeds", new string('\n', 200_000)),
        ];
        foreach ((string name, string text) in texts)
        {
            Assert.AreEqual(text.Replace('\uD83D', name == "lone surrogates" ? '\uFFFD' : '\uD83D'), gpt2.Decode(gpt2.Encode(text)), name);
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Words_that_threads_remember_at_the_same_time_keep_their_tokens()
    {
        // Far more words than are remembered, so that they replace each other all the time.
        string[] words = [.. Enumerable.Range(0, 100_000).Select(index => $" {index % 1_000:x}the{index:x}")];
        GptTokenizer tokenizer = SampleTexts.TrainSmall();
        int[][] expected = [.. words.Select(word => SampleTexts.TrainSmallOnce.Encode(word))];
        Parallel.For(0, 8, part =>
        {
            var random = new Random(part);
            for (int i = 0; i < 50_000; i++)
            {
                int index = random.Next(words.Length);
                CollectionAssert.AreEqual(expected[index], tokenizer.Encode(words[index]));
            }
        });
    }

    [TestMethod]
    public void A_limit_on_the_tokens_never_cuts_a_character()
    {
        Tokenizer tokenizer = Create([]).Tokenizer; // one token a byte
        const string Text = "aé👍b";
        int[] ends = [1, 1, 2, 2, 2, 2, 4, 5]; // after 1 to 8 tokens: a, é (2), 👍 (4), b
        int[] counts = [1, 1, 3, 3, 3, 3, 7, 8];
        for (int limit = 1; limit <= 8; limit++)
        {
            Assert.HasCount(counts[limit - 1], tokenizer.EncodeToIds(Text, limit, out _, out int consumed));
            Assert.AreEqual(ends[limit - 1], consumed);
            Assert.AreEqual(ends[limit - 1], tokenizer.GetIndexByTokenCount(Text, limit, out _, out int count));
            Assert.AreEqual(counts[limit - 1], count);
        }

        int[] starts = [4, 4, 4, 4, 2, 2, 1, 0];
        int[] countsFromEnd = [1, 1, 1, 1, 5, 5, 7, 8];
        for (int limit = 1; limit <= 8; limit++)
        {
            Assert.AreEqual(starts[limit - 1], tokenizer.GetIndexByTokenCountFromEnd(Text, limit, out _, out int count));
            Assert.AreEqual(countsFromEnd[limit - 1], count);
        }

        Assert.AreEqual("a 0..1, Ã 1..2, © 1..2, ð 2..4, Ł 2..4, ĳ 2..4, į 2..4, b 4..5", string.Join(", ", tokenizer.EncodeToTokens(Text, out _).Select(token => $"{token.Value} {token.Offset}")));
    }

    [TestMethod]
    public void Without_cutting_words_first_merges_reach_over_their_ends()
    {
        GptTokenizer tokenizer = Create([("a", "!"), ("a!", "Ġ")]);
        CollectionAssert.AreEqual(new[] { "a", "!", "Ġ", "a" }, Texts(tokenizer.Tokenizer.EncodeToIds("a! a")));
        CollectionAssert.AreEqual(new[] { "a!Ġ", "a" }, Texts(tokenizer.Tokenizer.EncodeToIds("a! a", considerPreTokenization: false)));

        string[] Texts(IReadOnlyList<int> ids) => [.. ids.Select(id => tokenizer.Definition.Tokens[id])];
    }

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static (string Left, string Right)[] MergesOf((int Left, int Right)[] pairs, int[] order)
    {
        var tokens = new List<string> { "a", "b", "c", TokenizerFiles.ByteTokenOf(0xC3), TokenizerFiles.ByteTokenOf(0xA9) };
        var merges = new List<(string, string)>();
        foreach ((int left, int right) in pairs)
        {
            (string Left, string Right) merge = (tokens[left % tokens.Count], tokens[right % tokens.Count]);
            if (merges.Contains(merge)) continue;
            merges.Add(merge);
            if (!tokens.Contains(merge.Left + merge.Right)) tokens.Add(merge.Left + merge.Right);
        }

        return [.. order.Where(index => index < merges.Count).Select(index => merges[index])];
    }

    private static GptTokenizer Create((string Left, string Right)[] merges)
    {
        IEnumerable<string> tokens = TokenizerFiles.ByteTokens.Concat(merges.Select(merge => merge.Left + merge.Right)).Append(GptTokenizer.EndOfText).Distinct();
        KeyValuePair<string, long>[] vocabulary = [.. tokens.Select((token, id) => KeyValuePair.Create(token, (long)id))];
        return new GptTokenizer(TokenizerDefinition.Create(GptTokenizerKind.ByteLevelBpe, vocabulary, merges, [GptTokenizer.EndOfText], "a test"));
    }
}

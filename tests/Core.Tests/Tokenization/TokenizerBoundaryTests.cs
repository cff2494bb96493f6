using System.Buffers;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>Ends, limits and halves: where a token, a text or a buffer begins and ends.</summary>
[TestClass]
public sealed class TokenizerBoundaryTests
{
    // The end of a text has id 0 here, as in vocabularies that were trained.
    private static readonly GptTokenizer Letters = LoadLetters();

    [TestMethod]
    public void A_vocabulary_of_characters_counts_its_special_tokens_and_stops_at_the_limit()
    {
        Tokenizer tokenizer = Letters.Tokenizer;
        const string Text = "ab<|endoftext|>c<|endoftext|>a";
        int[] ids = [1, 2, 0, 3, 0, 1], ends = [1, 2, 15, 16, 29, 30];
        for (int limit = 1; limit <= 7; limit++)
        {
            int kept = Math.Min(limit, 6);
            CollectionAssert.AreEqual(ids[..kept], tokenizer.EncodeToIds(Text, limit, out _, out int consumed).ToArray());
            Assert.AreEqual(ends[kept - 1], consumed);
            CollectionAssert.AreEqual(ids[..kept], tokenizer.EncodeToIds(Text.AsSpan(), limit, out _, out consumed).ToArray());
            Assert.AreEqual(ends[kept - 1], consumed);
        }

        Assert.AreEqual(6, tokenizer.CountTokens(Text));
        Assert.AreEqual(6, tokenizer.CountTokens(Text.AsSpan()));
        CollectionAssert.AreEqual(new[] { "a", "b", "<|endoftext|>", "c", "<|endoftext|>", "a" }, tokenizer.EncodeToTokens(Text.AsSpan(), out _).Select(static token => token.Value).ToArray());
        CollectionAssert.AreEqual(ids, tokenizer.EncodeToTokens(Text, out _).Select(static token => token.Id).ToArray());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => tokenizer.EncodeToIds(Text, 0, out _, out _));
    }

    [TestMethod]
    public void Decoding_refuses_an_id_beyond_the_last_and_stops_where_there_is_no_room()
    {
        foreach (Tokenizer tokenizer in (Tokenizer[])[Letters.Tokenizer, SampleTexts.TrainSmall().Tokenizer])
        {
            int last = tokenizer == Letters.Tokenizer ? 3 : SampleTexts.TrainSmall().VocabularySize - 1;
            var room = new char[100];
            Assert.AreEqual(OperationStatus.Done, tokenizer.Decode([last], room, out int read, out _));
            Assert.AreEqual(1, read);
            foreach (int id in (int[])[last + 1, -1, int.MaxValue]) Assert.AreEqual(OperationStatus.InvalidData, tokenizer.Decode([id], room, out _, out _));
            Assert.AreEqual("ids", Assert.ThrowsExactly<ArgumentNullException>(() => tokenizer.Decode(null!, room, out _, out _)).ParamName);
        }

        Assert.AreEqual(OperationStatus.DestinationTooSmall, Letters.Tokenizer.Decode([1, 2, 3], new char[2], out int some, out int written));
        Assert.AreEqual((2, 2), (some, written));
    }

    // é is two bytes, and each is a token here: the character is written with the second, and what has been read ends with a whole one.
    [TestMethod]
    public void Half_a_character_waits_for_the_other_half()
    {
        GptTokenizer bytes = GptTokenizer.TrainBytePairEncoding(["a"], new() { VocabularySize = 257, MinimumFrequency = 2 });
        int[] ids = bytes.Encode("aé");
        Assert.HasCount(3, ids);
        var room = new char[2];
        Assert.AreEqual(OperationStatus.DestinationTooSmall, bytes.Tokenizer.Decode(ids, room.AsSpan(0, 1), out int read, out int written));
        Assert.AreEqual((1, 1), (read, written));
        Assert.AreEqual(OperationStatus.Done, bytes.Tokenizer.Decode(ids, room, out read, out written));
        Assert.AreEqual((3, 2, "aé"), (read, written, new string(room)));
        Assert.AreEqual(OperationStatus.Done, bytes.Tokenizer.Decode(ids[..2], room, out read, out written));
        Assert.AreEqual((2, 2, "a\uFFFD"), (read, written, new string(room)));
    }

    [TestMethod]
    public void A_limit_that_the_text_reaches_exactly_cuts_nothing()
    {
        GptTokenizer small = SampleTexts.TrainSmall();
        const string Text = "some words, and é<|endoftext|>then more";
        int[] ids = small.Encode(Text);
        foreach (int limit in (int[])[ids.Length, ids.Length + 1])
        {
            CollectionAssert.AreEqual(ids, small.Tokenizer.EncodeToIds(Text, limit, out _, out int consumed).ToArray());
            Assert.AreEqual(Text.Length, consumed);
            CollectionAssert.AreEqual(ids, small.Tokenizer.EncodeToIds(Text.AsSpan(), limit, out _, out _).ToArray());
        }

        Assert.AreEqual(ids.Length, small.Tokenizer.CountTokens(Text.AsSpan()));
        Assert.AreEqual(Text.Length, small.Tokenizer.GetIndexByTokenCount(Text.AsSpan(), ids.Length, out _, out int count));
        Assert.AreEqual(ids.Length, count);
        Assert.AreEqual(0, small.Tokenizer.GetIndexByTokenCountFromEnd(Text.AsSpan(), ids.Length, out _, out count));
        Assert.AreEqual(ids.Length, count);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => small.Tokenizer.GetIndexByTokenCount(Text, 0, out _, out _));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => small.Tokenizer.EncodeToIds(Text, 0, out _, out _));
    }

    // One, two, three and four bytes of UTF-8, on both sides of each bound.
    [TestMethod]
    public void Tokens_stand_where_their_characters_do()
    {
        GptTokenizer bytes = GptTokenizer.TrainBytePairEncoding(["x"], new() { VocabularySize = 257, MinimumFrequency = 2 });
        (string Text, int Bytes)[] characters = [("\u007F", 1), ("\u0080", 2), ("\u07FF", 2), ("\u0800", 3), ("\uFFFD", 3), ("😀", 4), ("a", 1)];
        string text = string.Concat(characters.Select(static character => character.Text));
        EncodedToken[] tokens = [.. bytes.Tokenizer.EncodeToTokens(text, out _, considerPreTokenization: false)];
        int place = 0, index = 0;
        foreach ((string character, int count) in characters)
        {
            for (int i = 0; i < count; i++, index++) Assert.AreEqual(new Range(place, place + character.Length), tokens[index].Offset, $"token {index}");
            place += character.Length;
        }

        Assert.HasCount(index, tokens);
    }

    [TestMethod]
    public void A_token_of_many_characters_is_streamed_whole()
    {
        foreach (int length in (int[])[100, 254, 255, 256, 257, 1_000])
        {
            string name = $"<{new string('x', length)}>";
            GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["a"], new() { VocabularySize = 258, MinimumFrequency = 2, SpecialTokens = [GptTokenizer.EndOfText, name] });
            GptTokenStreamDecoder decoder = tokenizer.CreateStreamDecoder();
            Assert.AreEqual(name, decoder.Append(tokenizer.SpecialTokens[name]));
            Assert.AreEqual("", decoder.Flush());
        }
    }

    [TestMethod]
    public void Words_of_any_length_have_the_tokens_that_merging_gives_whether_they_were_met_before_or_not()
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["abababab abab ab"], new() { VocabularySize = 262, MinimumFrequency = 1 });
        TokenizerDefinition definition = tokenizer.Definition;
        (string, string)[] merges = [.. definition.Merges.Select(merge => (definition.Tokens[merge.Left], definition.Tokens[merge.Right]))];
        for (int length = 1; length <= 120; length++)
        {
            foreach (string word in (string[])[new string('a', length), string.Concat(Enumerable.Repeat("ab", length))[..length], "é" + new string('b', length)])
            {
                List<string> expected = NaiveBytePairEncoding.Encode(word, merges);
                for (int time = 0; time < 2; time++) CollectionAssert.AreEqual(expected, tokenizer.Encode(word).Select(id => definition.Tokens[id]).ToArray(), word);
            }
        }
    }

    // More than 48 tokens without a place to cut at are merged with a heap; the merges are many, so that neighbours change all the time.
    [TestMethod]
    public void Long_words_of_few_letters_have_the_tokens_that_merging_gives()
    {
        var random = new Random(3);
        string[] words = [.. Enumerable.Range(0, 60).Select(_ => new string([.. Enumerable.Range(0, random.Next(45, 160)).Select(_ => "abc"[random.Next(3)])]))];
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(words[..20], new() { VocabularySize = 320, MinimumFrequency = 1 });
        TokenizerDefinition definition = tokenizer.Definition;
        (string, string)[] merges = [.. definition.Merges.Select(merge => (definition.Tokens[merge.Left], definition.Tokens[merge.Right]))];
        foreach (string word in words) CollectionAssert.AreEqual(NaiveBytePairEncoding.Encode(word, merges), tokenizer.Encode(word).Select(id => definition.Tokens[id]).ToArray(), word);
    }

    // (x, a) and (xa, a): an a may stand behind an a in a merge, and yet two of them are none.
    [TestMethod]
    public void A_long_word_without_a_merge_stays_as_it_is()
    {
        using var folder = new TemporaryFolder();
        (string vocabulary, _) = TokenizerFiles.Pair();
        string xaa = vocabulary.Replace("\"ab\":", "\"xa\":", StringComparison.Ordinal).Replace("\"abc\":", "\"xaa\":", StringComparison.Ordinal);
        GptTokenizer tokenizer = GptTokenizer.FromVocabularyAndMerges(folder.Write("v.json", xaa), folder.Write("m.txt", "x a\nxa a\n"));
        int a = Array.IndexOf(TokenizerFiles.ByteTokens, "a");
        foreach (int length in (int[])[47, 48, 49, 50, 200])
        {
            CollectionAssert.AreEqual(Enumerable.Repeat(a, length).ToArray(), tokenizer.Encode(new string('a', length)));
            CollectionAssert.AreEqual((int[])[257, .. Enumerable.Repeat(a, length)], tokenizer.Encode("x" + new string('a', length + 2)));
        }
    }

    // Letters alone: each token ends with a character, so that a limit leaves the first tokens as they are.
    [TestMethod]
    public void A_limit_leaves_the_first_tokens_wherever_it_falls()
    {
        GptTokenizer small = SampleTexts.TrainSmall("<x>");
        const string Text = "some<x> words of the king<|endoftext|><x>and more";
        int[] ids = small.Encode(Text);
        for (int limit = 1; limit <= ids.Length + 1; limit++)
        {
            int kept = Math.Min(limit, ids.Length), length = small.Decode(ids[..kept]).Length;
            CollectionAssert.AreEqual(ids[..kept], small.Tokenizer.EncodeToIds(Text, limit, out _, out int consumed).ToArray());
            Assert.AreEqual(length, consumed);
            Assert.AreEqual(length, small.Tokenizer.GetIndexByTokenCount(Text, limit, out _, out int count));
            Assert.AreEqual(kept, count);
            Assert.AreEqual(Text.Length - small.Decode(ids[^kept..]).Length, small.Tokenizer.GetIndexByTokenCountFromEnd(Text, limit, out _, out count));
            Assert.AreEqual(kept, count);
            CollectionAssert.AreEqual(ids[..kept], small.Tokenizer.EncodeToTokens(Text, out _).Take(limit).Select(static token => token.Id).ToArray());
        }
    }

    [TestMethod]
    public void A_context_and_what_goes_on_are_encoded_together()
    {
        GptTokenizer tokenizer = SampleTexts.TrainSmall();
        (int[] context, int[] continuation) = ContinuationTokens.Encode(tokenizer, "some text  ", "goes on");
        CollectionAssert.AreEqual(tokenizer.Encode("some text"), context);
        CollectionAssert.AreEqual(tokenizer.Encode("some text  goes on")[context.Length..], continuation);
        (context, continuation) = ContinuationTokens.Encode(tokenizer, "some", "");
        CollectionAssert.AreEqual(tokenizer.Encode("some"), context);
        Assert.IsEmpty(continuation);

        // "abc" is one token, and "ab" one: what goes on is less than nothing, which is nothing.
        using var folder = new TemporaryFolder();
        TokenizerFiles.WriteBytes(folder);
        (context, continuation) = ContinuationTokens.Encode(GptTokenizer.Load(folder.Path), "aba", "b");
        CollectionAssert.AreEqual(new[] { 256, Array.IndexOf(TokenizerFiles.ByteTokens, "a") }, context);
        Assert.IsEmpty(continuation);
        (_, continuation) = ContinuationTokens.Encode(tokenizer, "a", "<|endoftext|>", SpecialTokenHandling.AsText);
        CollectionAssert.DoesNotContain(continuation, tokenizer.EndOfTextId);
        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(() => ContinuationTokens.Encode(null!, "", "")).ParamName);
        Assert.AreEqual("context", Assert.ThrowsExactly<ArgumentNullException>(() => ContinuationTokens.Encode(tokenizer, null!, "")).ParamName);
        Assert.AreEqual("continuation", Assert.ThrowsExactly<ArgumentNullException>(() => ContinuationTokens.Encode(tokenizer, "", null!)).ParamName);
    }

    // Texts are reported by ten thousand, and tokens by a hundred, besides the end.
    [TestMethod]
    public void Progress_is_reported_now_and_then()
    {
        var reports = new List<BytePairTrainingProgress>();
        string[] words = [.. Enumerable.Range(0, 2_000).Select(static i => $" {(char)('a' + (i % 26))}{(char)('a' + (i / 26 % 26))}{(char)('a' + (i / 676))}{(char)('a' + (i * 7 % 26))}")];
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(Enumerable.Range(0, 20_001).Select(i => words[i % 2_000]), new() { VocabularySize = 650, MinimumFrequency = 1 }, new Collect(reports));
        Assert.AreEqual(650, tokenizer.VocabularySize);
        CollectionAssert.AreEqual(new[] { 10_000, 20_000 }, reports.Where(static report => report.TextsRead < 20_001).Select(static report => (int)report.TextsRead).ToArray());
        CollectionAssert.IsSubsetOf(new[] { 300, 400, 500, 600, 650 }, reports.Select(static report => report.VocabularySize).ToArray());
        Assert.IsLessThan(12, reports.Count);
    }

    private static GptTokenizer LoadLetters()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", """{"model":{"vocab":{"a":1,"b":2,"c":3},"merges":[]},"decoder":{"type":"Fuse"},"added_tokens":[{"id":0,"content":"<|endoftext|>","special":true}]}""");
        return GptTokenizer.Load(folder.Path);
    }

    private sealed class Collect(List<BytePairTrainingProgress> reports) : IProgress<BytePairTrainingProgress>
    {
        public void Report(BytePairTrainingProgress value) => reports.Add(value);
    }
}

using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class BytePairTrainerTests
{
    public static IEnumerable<object[]> ReferenceCases()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestData.Fixture("bpe_training.json")));
        foreach (JsonElement element in document.RootElement.EnumerateArray()) yield return [element.GetProperty("name").GetString()!, element.GetRawText()];
    }

    // The reference counts all pairs from scratch at each step; see tests/reference/bpe_training.py.
    [TestMethod]
    [DynamicData(nameof(ReferenceCases))]
    public void A_vocabulary_has_the_tokens_and_merges_of_the_reference(string name, string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement reference = document.RootElement;
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(Strings(reference.GetProperty("texts")), new BytePairTrainingOptions
        {
            VocabularySize = reference.GetProperty("vocabulary_size").GetInt32(),
            MinimumFrequency = reference.GetProperty("minimum_frequency").GetInt32(),
            SpecialTokens = Strings(reference.GetProperty("special_tokens")),
        });

        TokenizerDefinition definition = tokenizer.Definition;
        CollectionAssert.AreEqual(Strings(reference.GetProperty("tokens")), definition.Tokens.ToArray(), name);
        CollectionAssert.AreEqual(
            reference.GetProperty("merges").EnumerateArray().Select(merge => $"{merge[0].GetString()} {merge[1].GetString()}").ToArray(),
            definition.Merges.Select(merge => $"{definition.Tokens[merge.Left]} {definition.Tokens[merge.Right]}").ToArray(), name);
    }

    [TestMethod]
    public void Of_equally_frequent_pairs_the_one_with_the_lowest_ids_is_merged_first()
    {
        // Each of (x, y), (a, c) and (a, b) occurs twice; 'a' < 'x' and 'b' < 'c' in the byte alphabet.
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["xy", "ac", "ab", "xy", "ac", "ab"], new() { VocabularySize = 1 + 256 + 3 });
        CollectionAssert.AreEqual(new[] { "ab", "ac", "xy" }, tokenizer.Definition.Tokens.Skip(257).ToArray());
    }

    [TestMethod]
    public void Special_tokens_come_first_then_the_bytes_in_the_order_of_their_characters()
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["ab"], new() { VocabularySize = 258, SpecialTokens = ["<|user|>", GptTokenizer.EndOfText] });
        Assert.AreEqual(258, tokenizer.VocabularySize);
        Assert.AreEqual(0, tokenizer.SpecialTokens["<|user|>"]);
        Assert.AreEqual(1, tokenizer.EndOfTextId);

        // '!' is the first printable character, 'ÿ' the last that stands for itself (188 of them), then the shifted ones from byte 0 on.
        CollectionAssert.AreEqual(new byte[] { (byte)'!' }, tokenizer.GetTokenBytes(2).ToArray());
        CollectionAssert.AreEqual(new byte[] { 0xFF }, tokenizer.GetTokenBytes(2 + 187).ToArray());
        CollectionAssert.AreEqual(new byte[] { 0x00 }, tokenizer.GetTokenBytes(2 + 188).ToArray());
        CollectionAssert.AreEqual(new byte[] { 0xAD }, tokenizer.GetTokenBytes(2 + 255).ToArray());
    }

    [TestMethod]
    public void Training_depends_on_the_words_and_not_on_how_they_are_divided_into_texts()
    {
        string[] texts = ["one fish", " two fish", " red fish", " blue fish", " red red"];
        var options = new BytePairTrainingOptions { VocabularySize = 300, MinimumFrequency = 1 };
        string hash = GptTokenizer.TrainBytePairEncoding(texts, options).Hash;
        Assert.AreEqual(hash, GptTokenizer.TrainBytePairEncoding(texts.Reverse(), options).Hash);
        Assert.AreEqual(hash, GptTokenizer.TrainBytePairEncoding([string.Concat(texts), ""], options).Hash);
    }

    [TestMethod]
    public void The_text_of_a_special_token_in_a_corpus_is_trained_on_as_text()
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["<|endoftext|>", "<|endoftext|>"], new() { VocabularySize = 300 });
        CollectionAssert.Contains(tokenizer.Definition.Tokens.ToArray(), "endoftext");
    }

    [TestMethod]
    public void A_lone_surrogate_is_trained_on_as_the_replacement_character()
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["\uD800", "\uDC00"], new() { VocabularySize = 300 });
        CollectionAssert.AreEqual("\uFFFD"u8.ToArray(), tokenizer.GetTokenBytes(tokenizer.VocabularySize - 1).ToArray());
    }

    [TestMethod]
    public void Progress_ends_with_the_size_reached()
    {
        var reports = new List<BytePairTrainingProgress>();
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["low lower lowest", "new newer newest"], new() { VocabularySize = 5_000, MinimumFrequency = 1 }, new Collect(reports));
        Assert.AreEqual(new BytePairTrainingProgress(2, 32, 6, tokenizer.VocabularySize, 5_000), reports[^1]);
        Assert.IsLessThan(5_000, tokenizer.VocabularySize, "the pairs run out before");
    }

    [TestMethod]
    public void A_cancelled_training_throws()
    {
        using var cancellation = new CancellationTokenSource();
        IEnumerable<string> texts = Enumerable.Range(0, 1_000_000).Select(index =>
        {
            if (index == 10) cancellation.Cancel();
            return $"text {index}";
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => GptTokenizer.TrainBytePairEncoding(texts, cancellationToken: cancellation.Token));
    }

    [TestMethod]
    public void After_a_cancellation_no_text_is_read_and_nothing_is_merged()
    {
        using var cancellation = new CancellationTokenSource();
        int read = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => GptTokenizer.TrainBytePairEncoding(Texts(), cancellationToken: cancellation.Token));
        Assert.AreEqual(3, read);

        // The second report comes with 300 tokens, of which there could be more.
        string[] texts = [string.Join(' ', Enumerable.Range(0, 400).Select(static i => $"{(char)('a' + (i % 20))}{(char)('a' + (i / 20))}{(char)('a' + (i % 7))}"))];
        using var merging = new CancellationTokenSource();
        var reports = new List<BytePairTrainingProgress>();
        Assert.ThrowsExactly<OperationCanceledException>(() => GptTokenizer.TrainBytePairEncoding(texts, new() { VocabularySize = 400 }, new Collect(reports, merging.Cancel), merging.Token));
        Assert.AreEqual(300, reports.Single().VocabularySize);

        IEnumerable<string> Texts()
        {
            while (true)
            {
                if (++read == 3) cancellation.Cancel();
                yield return $"text {read}";
            }
        }
    }

    [TestMethod]
    public void Words_that_are_too_many_bytes_together_are_an_error_that_says_how_many()
    {
        // "aé" has three bytes and " b" two; that "aé" comes twice changes nothing.
        string[] texts = ["aé b", "aé"];
        Assert.AreEqual(257, new BytePairTrainer(new() { VocabularySize = 257 }, null, CancellationToken.None) { MostBytes = 5 }.Train(texts).Tokens.Count);
        var error = Assert.ThrowsExactly<ArgumentException>(() => new BytePairTrainer(new(), null, CancellationToken.None) { MostBytes = 4 }.Train(texts));
        StringAssert.StartsWith(error.Message, "The texts' distinct words have 5 bytes together; at most 4 can be trained on. Train on a sample of the texts.");
        Assert.AreEqual("texts", error.ParamName);
    }

    [TestMethod]
    public void A_corpus_without_text_is_an_error_that_says_so()
    {
        StringAssert.Contains(Assert.ThrowsExactly<EmptyCorpusException>(() => GptTokenizer.TrainBytePairEncoding([])).Message, "no texts");
        StringAssert.Contains(Assert.ThrowsExactly<EmptyCorpusException>(() => GptTokenizer.TrainBytePairEncoding(["", ""])).Message, "All 2 texts");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.TrainBytePairEncoding(["a", null!])).Message, "Text 1 is null");
    }

    [TestMethod]
    public void Options_that_make_no_vocabulary_are_refused_with_both_values()
    {
        AssertRefused<ArgumentOutOfRangeException>(new() { VocabularySize = 256 }, "256", "257");
        AssertRefused<ArgumentOutOfRangeException>(new() { VocabularySize = 257, SpecialTokens = [GptTokenizer.EndOfText, "<|a|>"] }, "257", "258");
        AssertRefused<ArgumentOutOfRangeException>(new() { MinimumFrequency = 0 }, "is 0", "1 or more");
        AssertRefused<ArgumentException>(new() { SpecialTokens = ["<|a|>"] }, GptTokenizer.EndOfText);
        AssertRefused<ArgumentException>(new() { SpecialTokens = [GptTokenizer.EndOfText, "<|a|>", "<|a|>"] }, "'<|a|>' twice");
        AssertRefused<ArgumentException>(new() { SpecialTokens = [GptTokenizer.EndOfText, ""] }, "empty");
        AssertRefused<ArgumentException>(new() { SpecialTokens = [GptTokenizer.EndOfText, "Ġ"] }, "'Ġ'", "a byte", "<|Ġ|>");
        AssertRefused<ArgumentException>(new() { SpecialTokens = [GptTokenizer.EndOfText, "a\uD83D"] }, "token 1", "half a surrogate pair");

        static void AssertRefused<TException>(BytePairTrainingOptions options, params string[] parts)
            where TException : ArgumentException
        {
            TException exception = Assert.ThrowsExactly<TException>(() => GptTokenizer.TrainBytePairEncoding(["text"], options));
            foreach (string part in parts) StringAssert.Contains(exception.Message, part);
        }
    }

    [TestMethod]
    public void A_special_token_may_hold_any_character()
    {
        string[] specials = [GptTokenizer.EndOfText, "<|ü|>", "日", "👍👍", "two words", "\n\n"];
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["some text", "some text"], new() { SpecialTokens = specials });
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3, 4, 5 }, tokenizer.Encode(string.Concat(specials)));
        Assert.AreEqual(string.Concat(specials), tokenizer.Decode([0, 1, 2, 3, 4, 5]));
    }

    [TestMethod]
    public void A_merge_that_would_write_a_special_token_is_left_out()
    {
        // (b, c) occurs five times and would be first, (a, b) three times: ab, then (ab, c).
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["abc", "abc", "abc", "bc", "bc"], new() { SpecialTokens = [GptTokenizer.EndOfText, "bc"] });
        CollectionAssert.AreEqual(new[] { "ab", "abc" }, tokenizer.Definition.Tokens.Skip(258).ToArray());
        CollectionAssert.AreEqual(new[] { 1 }, tokenizer.Encode("bc"));
        Assert.HasCount(2, tokenizer.Encode("bc", SpecialTokenHandling.AsText));
        CollectionAssert.AreEqual(new[] { 259 }, tokenizer.Encode("abc", SpecialTokenHandling.AsText));
    }

    [TestMethod]
    public void A_merge_that_would_write_a_special_token_in_the_byte_alphabet_is_left_out()
    {
        // "aÃ" is, in the byte alphabet, 'a' and the first byte of 'é': a token that "aé" would give.
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["aé aè aê aé aè aê"], new() { SpecialTokens = [GptTokenizer.EndOfText, "aÃ"] });
        Assert.AreEqual(1, tokenizer.SpecialTokens["aÃ"]);
        CollectionAssert.AreEqual(new[] { 1 }, tokenizer.Encode("aÃ"));
        Assert.AreEqual("aÃ aé", tokenizer.Decode(tokenizer.Encode("aÃ aé")));
        CollectionAssert.AllItemsAreUnique(tokenizer.Definition.Tokens.ToArray());
    }

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(element => element.GetString()!)];

    private sealed class Collect(List<BytePairTrainingProgress> reports, Action? reported = null) : IProgress<BytePairTrainingProgress>
    {
        public void Report(BytePairTrainingProgress value)
        {
            reports.Add(value);
            reported?.Invoke();
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(7)]
    public void Words_that_are_kept_in_pieces_give_the_merges_that_they_give_in_one_piece(int pieceBytes)
    {
        var random = new Random(pieceBytes);
        for (int round = 0; round < 100; round++)
        {
            string letters = "abcdefgh"[..random.Next(1, 9)];
            string[] texts = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 200)).Select(_ => letters[random.Next(letters.Length)])))];
            BytePairTrainingOptions options = new() { VocabularySize = 257 + random.Next(1, 60), MinimumFrequency = random.Next(1, 3) };
            string[] whole = Merges(new(options, null, default) { PieceBytes = int.MaxValue });
            CollectionAssert.AreEqual(whole, Merges(new(options, null, default) { PieceBytes = pieceBytes }), string.Join(' ', texts));

            string[] Merges(BytePairTrainer trainer)
            {
                TokenizerDefinition definition = trainer.Train(texts);
                return [.. definition.Merges.Select(merge => $"{definition.Tokens[merge.Left]} {definition.Tokens[merge.Right]}")];
            }
        }
    }

    [TestMethod, Timeout(120_000)]
    public void A_word_of_millions_of_letters_is_trained_on_in_seconds()
    {
        // Going through the whole word at each of the merges would take minutes.
        var random = new Random(1);
        string word = string.Create(6_000_000, random, static (letters, random) =>
        {
            for (int i = 0; i < letters.Length; i++) letters[i] = (char)((random.Next(2) == 0 ? 'A' : 'a') + random.Next(26));
        });
        Assert.AreEqual(8_192, GptTokenizer.TrainBytePairEncoding([word], new() { VocabularySize = 8_192 }).VocabularySize);
    }

    [TestMethod]
    public void One_text_that_is_a_whole_corpus_is_reported_and_cancelled_in_its_middle()
    {
        string text = string.Concat(Enumerable.Repeat("to be or not to be ", 2_000_000)); // 38 million characters
        using var source = new CancellationTokenSource();
        var reports = new List<BytePairTrainingProgress>();
        var progress = new Immediate(report =>
        {
            reports.Add(report);
            source.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => GptTokenizer.TrainBytePairEncoding([text], new() { VocabularySize = 300 }, progress, source.Token));
        Assert.HasCount(1, reports);
        Assert.IsTrue(reports[0].CharactersRead is >= 1 << 24 and < 20_000_000 && reports[0].TextsRead == 0, reports[0].ToString());
    }

    private sealed class Immediate(Action<BytePairTrainingProgress> report) : IProgress<BytePairTrainingProgress>
    {
        public void Report(BytePairTrainingProgress value) => report(value);
    }
}

using System.Buffers;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>What code that expects a tokenizer of Microsoft.ML.Tokenizers may count on.</summary>
[TestClass]
public sealed class TokenizerContractTests
{
    // The bytes, ab = 256, abc = 257; <|x|> = 258; <|endoftext|> = 259.
    private static readonly Tokenizer s_bpe = Load().Tokenizer;

    // \n 0, a 1, b 2, c 3, é 4, 👍 5, <|endoftext|> 6.
    private static readonly Tokenizer s_characters = GptTokenizer.FromCharacters(["abc\né👍"]).Tokenizer;

    [TestMethod]
    public void Tokens_carry_their_ids_texts_and_places()
    {
        IReadOnlyList<EncodedToken> tokens = s_bpe.EncodeToTokens("abcab<|x|> c", out string? normalized);
        Assert.IsNull(normalized);
        CollectionAssert.AreEqual(
            new EncodedToken[] { new(257, "abc", 0..3), new(256, "ab", 3..5), new(258, "<|x|>", 5..10), new(Id('Ġ'), "Ġ", 10..11), new(Id('c'), "c", 11..12) }, tokens.ToArray());
        CollectionAssert.AreEqual(tokens.ToArray(), s_bpe.EncodeToTokens("abcab<|x|> c".AsSpan(), out _).ToArray());
        Assert.IsTrue(tokens[0].Equals(new EncodedToken(257, "abc", 0..3)));
        Assert.IsFalse(tokens[0].Equals(new EncodedToken(257, "abc", 0..2)));

        tokens = s_characters.EncodeToTokens("a👍<|endoftext|>", out normalized);
        Assert.IsNull(normalized);
        Assert.AreEqual("1 'a' 0..1, 5 '👍' 1..3, 6 '<|endoftext|>' 3..16", string.Join(", ", tokens.Select(token => $"{token.Id} '{token.Value}' {token.Offset}")));
    }

    [TestMethod]
    public void Both_bytes_of_a_character_have_its_place()
    {
        IReadOnlyList<EncodedToken> tokens = s_bpe.EncodeToTokens("aéb", out _);
        Assert.AreEqual("a 0..1, Ã 1..2, © 1..2, b 2..3", string.Join(", ", tokens.Select(token => $"{token.Value} {token.Offset}")));
    }

    [TestMethod]
    public void Encoding_stops_at_the_most_tokens_allowed()
    {
        foreach (Tokenizer tokenizer in (Tokenizer[])[s_bpe, s_characters])
        {
            int all = tokenizer.CountTokens("abc\nab");
            Assert.AreEqual(tokenizer.EncodeToIds("abc\nab").Count, all);
            Assert.AreEqual(all, tokenizer.CountTokens("abc\nab".AsSpan()));
            for (int limit = 1; limit <= all; limit++)
            {
                IReadOnlyList<int> ids = tokenizer.EncodeToIds("abc\nab", limit, out string? normalized, out int consumed);
                Assert.HasCount(limit, ids);
                Assert.IsNull(normalized);
                Assert.AreEqual("abc\nab"[..consumed], tokenizer.Decode(ids));
                CollectionAssert.AreEqual(ids.ToArray(), tokenizer.EncodeToIds("abc\nab".AsSpan(), limit, out _, out int consumedOfSpan).ToArray());
                Assert.AreEqual(consumed, consumedOfSpan);

                Assert.AreEqual(consumed, tokenizer.GetIndexByTokenCount("abc\nab", limit, out _, out int count));
                Assert.AreEqual(limit, count);
                Assert.AreEqual(consumed, tokenizer.GetIndexByTokenCount("abc\nab".AsSpan(), limit, out _, out _));
            }

            Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.EncodeToIds("a", 0, out _, out _));
        }
    }

    [TestMethod]
    public void The_last_tokens_begin_where_it_is_said()
    {
        // BPE: abc, \n, ab. Characters: one each.
        Assert.AreEqual(4, s_bpe.GetIndexByTokenCountFromEnd("abc\nab", 1, out _, out int count));
        Assert.AreEqual(1, count);
        Assert.AreEqual(3, s_bpe.GetIndexByTokenCountFromEnd("abc\nab".AsSpan(), 2, out _, out _));
        Assert.AreEqual(0, s_bpe.GetIndexByTokenCountFromEnd("abc\nab", 9, out _, out count));
        Assert.AreEqual(3, count);
        Assert.AreEqual(4, s_characters.GetIndexByTokenCountFromEnd("abc\nab", 2, out _, out _));
        Assert.AreEqual(0, s_characters.GetIndexByTokenCountFromEnd("abc\nab".AsSpan(), 9, out _, out count));
        Assert.AreEqual(6, count);
    }

    [TestMethod]
    public void The_empty_text_has_no_tokens()
    {
        foreach (Tokenizer tokenizer in (Tokenizer[])[s_bpe, s_characters])
        {
            Assert.IsEmpty(tokenizer.EncodeToIds(""));
            Assert.IsEmpty(tokenizer.EncodeToIds(ReadOnlySpan<char>.Empty));
            Assert.IsEmpty(tokenizer.EncodeToTokens("", out _));
            Assert.AreEqual(0, tokenizer.CountTokens(""));
            Assert.AreEqual("", tokenizer.Decode([]));
        }
    }

    [TestMethod]
    public void Decoding_into_a_span_stops_where_it_is_full()
    {
        foreach (Tokenizer tokenizer in (Tokenizer[])[s_bpe, s_characters])
        {
            int[] ids = [.. tokenizer.EncodeToIds("abc👍é".Replace("👍", tokenizer == s_bpe ? "<|x|>" : "👍"))];
            string text = tokenizer.Decode(ids);
            var buffer = new char[text.Length];
            Assert.AreEqual(OperationStatus.Done, tokenizer.Decode(ids, buffer, out int idsConsumed, out int charsWritten));
            Assert.AreEqual(text, new string(buffer, 0, charsWritten));
            Assert.AreEqual(ids.Length, idsConsumed);
            for (int length = 0; length < text.Length; length++)
            {
                Assert.AreEqual(OperationStatus.DestinationTooSmall, tokenizer.Decode(ids, buffer.AsSpan(0, length), out idsConsumed, out charsWritten));
                Assert.AreEqual(text[..charsWritten], tokenizer.Decode(ids.Take(idsConsumed)));
            }

            Assert.AreEqual(OperationStatus.InvalidData, tokenizer.Decode([9_999], buffer, out _, out _));
        }
    }

    [TestMethod]
    public void A_tokenizer_needs_to_write_tokens_and_decode_and_the_rest_follows()
    {
        var tokenizer = new HalfTokenizer();
        CollectionAssert.AreEqual(new[] { 'x', 'Y' }.Select(unit => (int)unit).ToArray(), tokenizer.EncodeToIds("xY").ToArray());
        Assert.AreEqual(new EncodeSettings { ConsiderNormalization = true, ConsiderPreTokenization = true, MaxTokenCount = int.MaxValue }, tokenizer.Settings);
        Assert.AreEqual(int.MaxValue, new EncodeSettings().MaxTokenCount);

        CollectionAssert.AreEqual(new[] { 'X', 'Y' }.Select(unit => (int)unit).ToArray(), tokenizer.EncodeToIds("xY", 9, out string? normalized, out int consumed).ToArray());
        Assert.AreEqual("XY", normalized);
        Assert.AreEqual(2, consumed);
        Assert.AreEqual(9, tokenizer.Settings.MaxTokenCount);

        Assert.AreEqual(5, tokenizer.CountTokens("hello", considerPreTokenization: false, considerNormalization: false));
        Assert.IsFalse(tokenizer.Settings.ConsiderPreTokenization || tokenizer.Settings.ConsiderNormalization);
        Assert.AreEqual(2, tokenizer.GetIndexByTokenCount("hello", 2, out _, out _));
        Assert.IsFalse(tokenizer.AskedFromEnd);
        Assert.AreEqual(3, tokenizer.GetIndexByTokenCountFromEnd("hello", 2, out _, out _));
        Assert.IsTrue(tokenizer.AskedFromEnd);
        Assert.IsNull(tokenizer.PreTokenizer);

        string text = new('z', 5_000);
        Assert.AreEqual(text, tokenizer.Decode(tokenizer.EncodeToIds(text)), "a longer text than any first buffer");
        Assert.ThrowsExactly<InvalidOperationException>(() => tokenizer.Decode([-1]));
        Assert.ThrowsExactly<ArgumentNullException>(() => tokenizer.Decode(null!));
    }

    [TestMethod]
    public void A_byte_level_tokenizer_has_a_pre_tokenizer_and_no_normalizer()
    {
        Assert.IsInstanceOfType<GptPreTokenizer>(s_bpe.PreTokenizer);
        Assert.IsNull(s_bpe.Normalizer);
        Assert.AreEqual("XY", new UpperCase().Normalize("xY".AsSpan()));
    }

    private static int Id(char character) => Array.IndexOf(TokenizerFiles.ByteTokens, character.ToString());

    private static GptTokenizer Load()
    {
        using var folder = new TemporaryFolder();
        TokenizerFiles.WriteBytes(folder, "<|x|>", GptTokenizer.EndOfText);
        return GptTokenizer.Load(folder.Path);
    }

    private sealed class UpperCase : Normalizer
    {
        public override string Normalize(string original) => original.ToUpperInvariant();

        public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
    }

    /// <summary>One token for each UTF-16 unit; in upper case where a limit is given. What may be left to the base is.</summary>
    private sealed class HalfTokenizer : Tokenizer
    {
        public EncodeSettings Settings { get; private set; }

        public bool AskedFromEnd { get; private set; }

        public override Normalizer? Normalizer { get; } = new UpperCase();

        protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
        {
            Settings = settings;
            string source = text ?? textSpan.ToString();
            string? normalized = settings.MaxTokenCount < int.MaxValue ? Normalizer!.Normalize(source) : null;
            return new EncodeResults<EncodedToken>
            {
                Tokens = [.. (normalized ?? source).Select((unit, index) => new EncodedToken(unit, unit.ToString(), index..(index + 1)))],
                NormalizedText = normalized,
                CharsConsumed = source.Length,
            };
        }

        protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
        {
            AskedFromEnd = fromEnd;
            return base.GetIndexByTokenCount(text, textSpan, settings, fromEnd, out normalizedText, out tokenCount);
        }

        public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
        {
            (idsConsumed, charsWritten) = (0, 0);
            foreach (int id in ids)
            {
                if (id < 0) return OperationStatus.InvalidData;
                if (charsWritten == destination.Length) return OperationStatus.DestinationTooSmall;
                destination[charsWritten++] = (char)id;
                idsConsumed++;
            }

            return OperationStatus.Done;
        }
    }
}

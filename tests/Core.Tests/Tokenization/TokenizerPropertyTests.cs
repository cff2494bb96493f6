using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>What holds for any text, with GPT-2's own vocabulary beside an independent implementation, and with special tokens.</summary>
[TestClass]
public sealed class TokenizerPropertyTests
{
    // tiktoken's form of GPT-2's pattern. .NET's works on UTF-16 units, so that letters outside the basic plane would be symbols to it; the texts here have none.
    private const string Pattern = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Gen<string> s_text = Gen.OneOf(
        Gen.Char.Array[1, 4].Select(units => new string([.. units.Where(unit => !char.IsSurrogate(unit))])),
        Gen.Char['\t', '~'].Array[1, 8].Select(units => new string(units)),
        Gen.OneOf("the", " The", " tokenizer", "'s", "'ve ", "'VE", "  ", "\r\n", "\n\n ", "日本語", "Привет", "👍🏽", "é", "1234", "٣", "==", " \u00A0", "\u0085", "\u200B", "aaaaaaaa")).Array[0, 30].Select(string.Concat);

    [TestMethod]
    public void Any_text_has_the_ids_that_another_implementation_gives_with_GPT2s_vocabulary()
    {
        using var folder = new TemporaryFolder();
        Tokenizer other = TiktokenTokenizer.Create(PublishedRanks.Write(folder, "R50kBase"), new RegexPreTokenizer(new Regex(Pattern), specialTokens: null), normalizer: null);
        s_text.Always(
            text =>
            {
                int[] ids = PublishedRanks.Gpt2.Encode(text);
                CollectionAssert.AreEqual(other.EncodeToIds(text).ToArray(), ids);
                Assert.AreEqual(text, PublishedRanks.Gpt2.Decode(ids));
            },
            iter: 3_000);
    }

    [TestMethod]
    public void Special_tokens_are_found_leftmost_and_longest_and_never_come_of_text()
    {
        GptTokenizer tokenizer = SampleTexts.TrainSmall("<|user|>", "<|user|>x", "the", " a", "👍");
        string[] specials = [.. tokenizer.SpecialTokens.Keys.OrderByDescending(token => token.Length)];
        var split = new Regex(string.Join('|', specials.Select(Regex.Escape)));
        Gen.Select(s_text, Gen.OneOf(specials).Array[0, 4], Gen.Int[0, 1_000].Array[4]).Always(
            (text, inserted, places) =>
            {
                for (int i = 0; i < inserted.Length; i++)
                {
                    int place = places[i] % (text.Length + 1);
                    if (place < text.Length && char.IsLowSurrogate(text[place])) place--;
                    text = text.Insert(place, inserted[i]);
                }

                var expected = new List<int>();
                int at = 0;
                foreach (Match match in split.Matches(text)) // an alternation takes the leftmost, and of those at one place the first: here the longest
                {
                    expected.AddRange(tokenizer.Encode(text[at..match.Index], SpecialTokenHandling.AsText));
                    expected.Add(tokenizer.SpecialTokens[match.Value]);
                    at = match.Index + match.Length;
                }

                expected.AddRange(tokenizer.Encode(text[at..], SpecialTokenHandling.AsText));
                CollectionAssert.AreEqual(expected, tokenizer.Encode(text));
                Assert.AreEqual(text, tokenizer.Decode(expected));
                Assert.AreEqual(split.Replace(text, ""), tokenizer.Decode(expected, skipSpecialTokens: true));

                int[] literal = tokenizer.Encode(text, SpecialTokenHandling.AsText);
                Assert.IsFalse(literal.Any(tokenizer.IsSpecialToken));
                Assert.AreEqual(text, tokenizer.Decode(literal));
            },
            iter: 3_000);
    }

    [TestMethod]
    public void Any_ids_decoded_one_by_one_are_what_they_are_decoded_together()
    {
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        int[] bytes = [.. Enumerable.Range(0, gpt2.VocabularySize).Where(id => gpt2.GetTokenBytes(id).Length == 1)];
        Gen.Select(Gen.OneOf(Gen.Int[0, gpt2.VocabularySize - 1], Gen.OneOf(bytes)).Array[0, 40], Gen.Bool).Always(
            (ids, skip) =>
            {
                GptTokenStreamDecoder decoder = gpt2.CreateStreamDecoder(skip);
                var joined = new StringBuilder();
                foreach (int id in ids) joined.Append(decoder.Append(id));
                Assert.AreEqual(gpt2.Decode(ids, skip), joined.Append(decoder.Flush()).ToString());
            },
            iter: 3_000);
    }
}

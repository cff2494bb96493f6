using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class GptPreTokenizerTests
{
    private static readonly GptPreTokenizer s_plain = new(specials: null);

    // .NET's own regular expressions are the oracle; they work on UTF-16 units, so only texts without surrogates compare.
    [TestMethod]
    [TestCategory("Long")]
    public void Words_are_the_matches_of_GPT2s_pattern()
    {
        var regex = new RegexPreTokenizer(new Regex(GptPreTokenizer.Pattern), null);
        var random = new Random(3);
        IEnumerable<string> random1 = Enumerable.Range(0, 2_000).Select(_ => string.Concat(SampleTexts.Random(random, 60).EnumerateRunes().Where(rune => rune.IsBmp)));
        IEnumerable<string> random2 = Enumerable.Range(0, 5_000).Select(length => new string([.. Enumerable.Range(0, length % 13).Select(_ => "  \n\t\u00A0'''srtvemldlLaé1½²_-…"[random.Next(26)])]));
        foreach (string text in random1.Concat(random2).Concat(SampleTexts.Awkward.Where(text => !text.Any(char.IsSurrogate))))
        {
            CollectionAssert.AreEqual(regex.PreTokenize(text).ToArray(), s_plain.PreTokenize(text).ToArray(), text);
            CollectionAssert.AreEqual(regex.PreTokenize(text.AsSpan()).ToArray(), s_plain.PreTokenize(text.AsSpan()).ToArray(), text);
        }
    }

    [TestMethod]
    [DataRow("it's", "it/'s")]
    [DataRow("we'll  go", "we/'ll/ / go")]
    [DataRow("don'T", "don/'/T")]
    [DataRow(" 's", " '/s")]
    [DataRow("'l", "'/l")]
    [DataRow("it'l", "it/'/l")]
    [DataRow("'la", "'/la")]
    [DataRow("'v", "'/v")]
    [DataRow("a1b", "a/1/b")]
    [DataRow(" 12 !?", " 12/ !?")]
    [DataRow("a\n\n\nb", "a/\n\n/\n/b")]
    [DataRow("a \n", "a/ \n")]
    [DataRow("a\u00A0b", "a/\u00A0/b")]
    [DataRow("中𠀀中", "中𠀀中")]
    [DataRow("𝐀b 𝐂", "𝐀b/ 𝐂")]
    [DataRow("1𝟐", "1𝟐")]
    [DataRow("👍👍a", "👍👍/a")]
    [DataRow("e\u0301", "e/\u0301")]
    public void Words_are_those_of_Hugging_Faces_pre_tokenizer(string text, string words) => Assert.AreEqual(words, Split(s_plain, text));

    // Not as data rows: the attributes of an assembly hold well-formed text alone.
    [TestMethod]
    public void Half_a_surrogate_pair_is_a_symbol()
    {
        foreach (string words in (string[])["\uD83D", "\uDC4D", "a/\uDC4D", "a/\uD83D", "\uD83D/b", "1/\uD83D", "!\uD83D", "\uD83D!", " \uD83D", "\uD83D\uD83D", "\uDC4D\uD83D", "👍\uD83D", "\uD83D👍", "\uDC4D👍/a"])
            Assert.AreEqual(words, Split(s_plain, words.Replace("/", "", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void No_text_is_refused() => Assert.AreEqual("text", Assert.ThrowsExactly<ArgumentNullException>(() => s_plain.PreTokenize(null!)).ParamName);

    [TestMethod]
    [DataRow("a<|x|>b", "a/[<|x|>]/b")]
    [DataRow("  <|x|>  b", "  /[<|x|>]/ / b")]
    [DataRow("<|x|><|x|>y", "[<|x|>]/[<|x|>y]")]
    [DataRow("<|x|", "<|/x/|")]
    [DataRow("it<|x|>'s", "it/[<|x|>]/'s")]
    public void Special_tokens_are_words_and_the_longest_at_a_place_wins(string text, string words)
    {
        string[] specials = ["<|x|>", "<|x|>y"];
        var preTokenizer = new GptPreTokenizer(new SpecialTokenMatcher([.. specials.Select((token, id) => KeyValuePair.Create(token, id))]));
        Assert.AreEqual(words, Split(preTokenizer, text, specials));
    }

    private static string Split(PreTokenizer preTokenizer, string text, params string[] specials) => string.Join('/', preTokenizer.PreTokenize(text)
        .Select(word => text.Substring(word.Offset, word.Length))
        .Select(word => specials.Contains(word) ? $"[{word}]" : word));
}

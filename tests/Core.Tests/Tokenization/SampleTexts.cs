using System.Text;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>Texts that a tokenizer may trip over, and tokenizers to try them with.</summary>
internal static class SampleTexts
{
    public static string[] Awkward { get; } =
    [
        "", " ", "  ", "\n", "\r\n", "\r\n\r\n  \t", "\0", "a\0b", "\uFEFFa", "\uFFFD", "\U0010FFFF", "\u0085", "\u2028\u2029", "\u3000",
        "it's they'll I'd've 's", "e\u0301 n\u0303", "Z\u0351\u036B\u0343\u036A\u0302", "👩\u200D👩\u200D👧\u200D👦", "🇩🇪🇫🇷", "👍🏽", "𠀀𠀁 𝐀𝐁 𝟏𝟐",
        "Ġ Ċ ġ ń", "Grüße, Ελλάδα, Россия, עברית, العربية, हिन्दी, 日本語, 한국어", "<|endoftext", "|endoftext|>", "\u0100\u0143\u00AD\u00A0",
        new string('a', 5_000), new string(' ', 3_001) + "x", string.Concat(Enumerable.Repeat("=-", 2_000)), string.Concat(Enumerable.Repeat("👨\u200D🚀", 700)),
        string.Concat(Enumerable.Range(1, 0xFF).Select(unit => (char)unit)),
    ];

    /// <summary>A text of random code points of all kinds, ASCII and white space as likely as the rest together. No surrogates.</summary>
    public static string Random(Random random, int codePoints)
    {
        var text = new StringBuilder();
        for (int i = 0; i < codePoints; i++)
        {
            int value = random.Next(6) switch
            {
                0 => random.Next(0x20, 0x7F),
                1 => " \n\t\r'\u00A0\u3000"[random.Next(7)],
                2 => random.Next(0x80, 0x800),
                3 => random.Next(0x800, 0xD800),
                4 => random.Next(0xE000, 0x10000),
                _ => random.Next(0x10000, 0x110000),
            };
            text.Append(new Rune(value).ToString());
        }

        return text.ToString();
    }

    /// <summary>The tokenizer of <see cref="TrainSmall"/> without further special tokens, the same for all tests.</summary>
    public static GptTokenizer TrainSmallOnce { get; } = TrainSmall();

    /// <summary>A byte-level tokenizer with a few hundred merges, some of them across characters of several bytes.</summary>
    public static GptTokenizer TrainSmall(params string[] specialTokens) => GptTokenizer.TrainBytePairEncoding(
        [
            "The pre-tokenizer cuts the text into words; the trainer merges the pairs in those words. They're cut where it's said.",
            "Grüße aus Köln, déjà vu. Ελληνικά γράμματα, русский текст, 日本語の文章, 中文文本, 한국어 문장. 👩\u200D👩\u200D👧\u200D👦 👍🏽 🇩🇪",
            "    indented\n\ttabs  and  double  spaces\r\n\r\n======== ---- aaaaaaaa",
        ],
        new BytePairTrainingOptions { VocabularySize = 500, MinimumFrequency = 1, SpecialTokens = [GptTokenizer.EndOfText, .. specialTokens] });
}

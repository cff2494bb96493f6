using System.Globalization;
using System.Text;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>
/// Byte pair encoding straight from its definition, over texts of tokens and without any table, heap or cache: of the pairs that have
/// a merge, the one of the lowest rank, and of several the leftmost, is joined; then all pairs are looked at again.
/// </summary>
internal static class NaiveBytePairEncoding
{
    /// <summary>The tokens of a word, in the byte alphabet.</summary>
    public static List<string> Encode(string word, IReadOnlyList<(string Left, string Right)> merges)
    {
        var symbols = Encoding.UTF8.GetBytes(word).Select(value => TokenizerFiles.ByteTokenOf(value)).ToList();
        while (true)
        {
            (int rank, int place) = (int.MaxValue, -1);
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                for (int candidate = 0; candidate < merges.Count && candidate < rank; candidate++)
                {
                    if (merges[candidate] == (symbols[i], symbols[i + 1])) (rank, place) = (candidate, i);
                }
            }

            if (place < 0) return symbols;
            symbols[place] += symbols[place + 1];
            symbols.RemoveAt(place + 1);
        }
    }

    /// <summary>The words of a text by GPT-2's pattern, over code points, read off the pattern alternative by alternative.</summary>
    public static List<string> Words(string text)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        var words = new List<string>();
        for (int start = 0; start < runes.Length;)
        {
            int length = Contraction(start);
            if (length == 0) length = Run(start, IsLetter);
            if (length == 0) length = Run(start, IsNumber);
            if (length == 0) length = Run(start, rune => !IsSpace(rune) && !IsLetter(rune) && !IsNumber(rune));
            if (length == 0)
            {
                int spaces = runes.Skip(start).TakeWhile(IsSpace).Count();
                length = start + spaces == runes.Length || spaces == 1 ? spaces : spaces - 1; // \s+(?!\S) gives one back; \s+ takes what is left
            }

            words.Add(string.Concat(runes.Skip(start).Take(length)));
            start += length;
        }

        return words;

        int Contraction(int start) => ((string[])["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"])
            .FirstOrDefault(ending => runes.Skip(start).Take(ending.Length).SequenceEqual(ending.EnumerateRunes()))?.Length ?? 0;

        int Run(int start, Func<Rune, bool> isPart)
        {
            int space = runes[start].Value == ' ' ? 1 : 0;
            int count = runes.Skip(start + space).TakeWhile(isPart).Count();
            return count == 0 ? 0 : space + count;
        }
    }

    private static bool IsLetter(Rune rune) => Rune.IsLetter(rune);

    private static bool IsNumber(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    private static bool IsSpace(Rune rune) => Rune.IsWhiteSpace(rune);
}

using System.Globalization;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt;

/// <summary>
/// Cuts text into words as GPT-2 does (Radford et al. 2019, released encoder), with the pattern
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>. Special tokens, where some are given, are
/// words of their own, and the pattern does not look past them. Every UTF-16 unit belongs to exactly one word.
/// </summary>
/// <remarks>
/// A scanner of its own and not a <see cref="System.Text.RegularExpressions.Regex"/>, because .NET's works on UTF-16 units: it
/// takes a letter outside the basic plane (𝐀, 𠀀) for two symbols, where GPT-2's and Hugging Face's take it for a letter, and
/// so would cut, and encode, such text differently. It is also several times faster. Immutable.
/// </remarks>
internal sealed class GptPreTokenizer(SpecialTokenMatcher? specials) : PreTokenizer
{
    /// <summary>The pattern, as it is written in the files of other tools.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private enum Class : byte
    {
        Symbol,
        Letter,
        Number,
        Space,

        /// <summary>Half a pair, which is looked up as a code point; alone it is a symbol.</summary>
        Surrogate,
    }

    // The class of each UTF-16 unit.
    private static readonly Class[] s_classes = [.. Enumerable.Range(0, 0x10000).Select(unit => char.IsSurrogate((char)unit) ? Class.Surrogate : ClassOf(unit))];

    /// <inheritdoc />
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Split(text.AsMemory());
    }

    /// <inheritdoc />
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => Split(text.ToArray());

    /// <summary>The length of the first word of a text that is not empty.</summary>
    public static int FirstWordLength(ReadOnlySpan<char> text)
    {
        char first = text[0];
        if (first == '\'' && text.Length > 1)
        {
            switch (text[1])
            {
                case 's' or 't' or 'm' or 'd':
                    return 2;
                case 'r' or 'v' when text.Length > 2 && text[2] == 'e':
                case 'l' when text.Length > 2 && text[2] == 'l':
                    return 3;
            }
        }

        // " ?" binds a single space to the letters, numbers or symbols after it.
        int start = first == ' ' && text.Length > 1 && s_classes[text[1]] != Class.Space ? 1 : 0;
        Class kind = ClassAt(text, start, out int units);
        int end = start + units;
        while (end < text.Length)
        {
            Class next = s_classes[text[end]];
            units = 1;
            if (next == Class.Surrogate) next = ClassAt(text, end, out units);
            if (next != kind) break;
            end += units;
        }

        // "\s+(?!\S)": before a word, spaces leave their last one to it (or to the next match), unless there is only one.
        return kind == Class.Space && end < text.Length && end > 1 ? end - 1 : end;
    }

    private IEnumerable<(int Offset, int Length)> Split(ReadOnlyMemory<char> text)
    {
        int position = 0;
        while (position < text.Length)
        {
            (int index, int length, int id) whole = (text.Length - position, 0, -1);
            specials?.TryFind(text.Span[position..], out whole.index, out whole.length, out whole.id);
            int end = position + whole.index;
            while (position < end)
            {
                int length = FirstWordLength(text.Span[position..end]);
                yield return (position, length);
                position += length;
            }

            if (whole.id >= 0)
            {
                yield return (position, whole.length);
                position += whole.length;
            }
        }
    }

    private static Class ClassAt(ReadOnlySpan<char> text, int index, out int units)
    {
        char unit = text[index];
        if (char.IsHighSurrogate(unit) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            units = 2;
            return ClassOf(char.ConvertToUtf32(unit, text[index + 1]));
        }

        units = 1;
        return char.IsSurrogate(unit) ? Class.Symbol : s_classes[unit];
    }

    private static Class ClassOf(int codePoint)
    {
        // \s is Unicode's White_Space: the separators, the control characters U+0009 to U+000D, and U+0085.
        if (codePoint is (>= 0x09 and <= 0x0D) or 0x85) return Class.Space;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Class.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Class.Number,
            UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => Class.Space,
            _ => Class.Symbol,
        };
    }
}

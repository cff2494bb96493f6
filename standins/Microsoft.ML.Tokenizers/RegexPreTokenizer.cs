using System.Text.RegularExpressions;

namespace Microsoft.ML.Tokenizers;

/// <summary>Cuts out the special tokens, then cuts what lies between them at a pattern's matches; text that matches nothing is dropped.</summary>
public sealed partial class RegexPreTokenizer : PreTokenizer
{
    private readonly Regex _pattern;
    private readonly Regex? _specials;

    public RegexPreTokenizer(Regex regex, IReadOnlyDictionary<string, int>? specialTokens)
    {
        ArgumentNullException.ThrowIfNull(regex);
        _pattern = regex;
        if (specialTokens is { Count: > 0 })
        {
            _specials = new Regex(string.Join('|', specialTokens.Keys.Select(Regex.Escape)), RegexOptions.Compiled);
        }
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) =>
        string.IsNullOrEmpty(text) ? [] : Split(text.AsMemory());

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) =>
        text.IsEmpty ? [] : Split(text.ToArray());

    private IEnumerable<(int Offset, int Length)> Split(ReadOnlyMemory<char> text)
    {
        int position = 0;
        while (_specials is not null && TryMatch(_specials, text, position, text.Length, out (int Offset, int Length) special))
        {
            while (TryMatch(_pattern, text, position, special.Offset, out (int Offset, int Length) piece))
            {
                yield return piece;
                position = piece.Offset + piece.Length;
            }

            yield return special;
            position = special.Offset + special.Length;
        }

        while (TryMatch(_pattern, text, position, text.Length, out (int Offset, int Length) piece))
        {
            yield return piece;
            position = piece.Offset + piece.Length;
        }
    }

    // Each search sees only text[start..end], so that anchors and look-arounds stop at a special token, as in the original.
    private static bool TryMatch(Regex regex, ReadOnlyMemory<char> text, int start, int end, out (int Offset, int Length) match)
    {
        Regex.ValueMatchEnumerator matches = regex.EnumerateMatches(text.Span[start..end]);
        if (matches.MoveNext())
        {
            match = (start + matches.Current.Index, matches.Current.Length);
            return true;
        }

        match = default;
        return false;
    }
}

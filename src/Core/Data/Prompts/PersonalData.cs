using System.Text;
using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>Finds what looks like personal data in text: e-mail addresses, card and telephone numbers, postal addresses. Patterns, and no more: they miss some, and take some for what they are not.</summary>
/// <remarks>Thread-safe. The time is linear in the text's length, whatever the text.</remarks>
public static class PersonalData
{
    private const RegexOptions Linear = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;
    private const string StreetKinds = "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Way|Place|Pl|Terrace|Crescent|Highway|Hwy|Parkway|Pkwy";

    private static readonly Regex s_email = new(@"[\p{L}\p{Nd}][\p{L}\p{Nd}._%+\-]*@[\p{L}\p{Nd}\-]+(\.[\p{L}\p{Nd}\-]+)*\.\p{L}{2,}", Linear);
    private static readonly Regex s_card = new(@"[0-9]([ \-]?[0-9]){12,18}", Linear);
    private static readonly Regex s_telephone = new(
        @"(\+[0-9]{1,3}|\b00[1-9][0-9]{0,2})([ .\-/]?\(?[0-9]{1,5}\)?){2,6}|\([0-9]{3}\) ?[0-9]{3}[ .\-][0-9]{4}|\b[0-9]{3}[ .\-][0-9]{3}[ .\-][0-9]{4}|\b0[1-9][0-9]{1,4}[ /\-][0-9]{2,8}([ \-][0-9]{2,6}){0,3}", Linear);
    private static readonly Regex s_address = new(
        $@"\b[0-9]{{1,5}}[A-Za-z]? (\p{{Lu}}[\p{{L}}\p{{Nd}}'.\-]* ){{1,4}}({StreetKinds})\b\.?"
        + @"|\b\p{Lu}[\p{L}\-]*(straße|strasse|str\.|weg|platz|allee|gasse) [0-9]{1,4}[a-z]?\b|\b[0-9]{1,4}( bis| ter)?,? (rue|avenue|boulevard|place|chemin) (de |du |des |la |le |d')*\p{Lu}[\p{L}\-]*|\bP\.? ?O\.? Box [0-9]+\b", Linear);

    /// <summary>Finds all of it.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The places in their order; none overlaps another. What looks like several kinds is the first of them in the order of <see cref="PersonalDataKind"/>.</returns>
    public static IReadOnlyList<PersonalDataMatch> Find(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var found = new List<PersonalDataMatch>();
        foreach ((PersonalDataKind kind, Regex pattern) in ((PersonalDataKind, Regex)[])[(PersonalDataKind.Email, s_email), (PersonalDataKind.Card, s_card), (PersonalDataKind.Telephone, s_telephone), (PersonalDataKind.Address, s_address)])
        {
            // Both are in the order of the text: one pass merges them.
            var merged = new List<PersonalDataMatch>();
            int next = 0;
            foreach (Match match in pattern.Matches(text))
            {
                while (next < found.Count && found[next].Start + found[next].Length <= match.Index) merged.Add(found[next++]);
                bool overlaps = next < found.Count && found[next].Start < match.Index + match.Length;
                if (!overlaps && Holds(kind, text, match)) merged.Add(new(kind, match.Index, match.Length));
            }

            merged.AddRange(found[next..]);
            found = merged;
        }

        return found;
    }

    /// <summary>Puts a word in the place of each: "[email]", "[card]", "[telephone]", "[address]".</summary>
    /// <param name="text">The text.</param>
    /// <param name="matches">The places, as <see cref="Find"/> gives them.</param>
    /// <exception cref="ArgumentException">The places are not in their order, overlap, or reach behind the text.</exception>
    public static string Mask(string text, IReadOnlyList<PersonalDataMatch> matches)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(matches);
        var masked = new StringBuilder();
        int at = 0;
        foreach (PersonalDataMatch match in matches)
        {
            if (match.Start < at || match.Length < 0 || match.Start + match.Length > text.Length)
                throw new ArgumentException($"A match begins at {match.Start} with {match.Length} characters, in a text of {text.Length} after one that ends at {at}; pass the matches of this text, in their order.", nameof(matches));
            masked.Append(text, at, match.Start - at).Append('[').Append(match.Kind.ToString().ToLowerInvariant()).Append(']');
            at = match.Start + match.Length;
        }

        return masked.Append(text, at, text.Length - at).ToString();
    }

    /// <summary>Whether the check digit of a card's number is right (Luhn 1960): every second digit from the right doubled, digits added, a multiple of ten.</summary>
    /// <param name="digits">The number; what is no digit is passed over.</param>
    internal static bool IsLuhn(ReadOnlySpan<char> digits)
    {
        int sum = 0, place = 0;
        for (int i = digits.Length - 1; i >= 0; i--)
        {
            if (!char.IsAsciiDigit(digits[i])) continue;
            int value = digits[i] - '0';
            if (place++ % 2 == 1) value = value > 4 ? (2 * value) - 9 : 2 * value;
            sum += value;
        }

        return place > 0 && sum % 10 == 0;
    }

    /// <summary>What a pattern alone can't say.</summary>
    private static bool Holds(PersonalDataKind kind, string text, Match match)
    {
        if (kind is PersonalDataKind.Email or PersonalDataKind.Address) return true;

        // A part of a longer number, or of a decimal one, is neither a card nor a telephone.
        int end = match.Index + match.Length;
        if (match.Index > 0 && (char.IsAsciiDigit(text[match.Index - 1]) || (text[match.Index - 1] is '.' or ',' && match.Index > 1 && char.IsAsciiDigit(text[match.Index - 2])))) return false;
        if (end < text.Length && (char.IsAsciiDigit(text[end]) || (text[end] is '.' or ',' && end + 1 < text.Length && char.IsAsciiDigit(text[end + 1])))) return false;
        int digits = match.ValueSpan.ToArray().Count(char.IsAsciiDigit);
        return kind == PersonalDataKind.Card ? IsLuhn(match.ValueSpan) : digits is >= 7 and <= 15;   // E.164: at most 15
    }
}

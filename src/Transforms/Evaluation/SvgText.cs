using System.Security;
using System.Text;
using System.Xml;

namespace MLNet.Gpt;

/// <summary>Texts in SVG pictures.</summary>
internal static class SvgText
{
    /// <summary>A text as the content of an element. Characters that XML has no form for (control characters, half of a surrogate pair) become U+FFFD: one of them makes the whole picture unreadable.</summary>
    /// <param name="text">Any text.</param>
    public static string Escape(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var legal = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes()) // a lone surrogate comes as U+FFFD
        {
            if (rune.IsBmp && !XmlConvert.IsXmlChar((char)rune.Value)) legal.Append('\uFFFD');
            else legal.Append(rune.ToString());
        }

        return SecurityElement.Escape(legal.ToString())!;
    }

    /// <summary>About how wide a text is, in pixels: no font is at hand. Sans-serif letters take 0.62 of the font size on average, ideographs, syllables of Hangul and emoji all of it.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="fontSize">The font's size in pixels.</param>
    public static double Width(string text, double fontSize)
    {
        double sum = 0;
        foreach (Rune rune in text.EnumerateRunes()) sum += WidthOf(rune) * fontSize;
        return sum;
    }

    /// <summary>A text that is no wider than that many pixels: what is cut off at its end becomes an ellipsis.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="fontSize">The font's size in pixels.</param>
    public static string Fit(string text, double width, double fontSize)
    {
        if (Width(text, fontSize) <= width) return text;
        var kept = new StringBuilder();
        double sum = fontSize; // the ellipsis
        foreach (Rune rune in text.EnumerateRunes())
        {
            sum += WidthOf(rune) * fontSize;
            if (sum > width) break;
            kept.Append(rune.ToString());
        }

        return $"{kept}…";
    }

    // East Asian Wide begins with Hangul Jamo; between U+1160 and U+2E80 everything is narrow, and from U+1F300 on stand the emoji.
    private static double WidthOf(Rune rune) => rune.Value is (>= 0x1100 and < 0x1160) or (>= 0x2E80 and < 0xD7B0) or (>= 0xF900 and < 0xFB00) or (>= 0xFE30 and < 0xFE70) or (>= 0xFF00 and < 0xFF61) or >= 0x1F300 ? 1 : 0.62;
}

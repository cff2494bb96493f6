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
}

using System.Text;

namespace MLNet.Gpt;

/// <summary>A text with named fields: <c>"Review: {Text}\nSentiment:"</c>. A brace that is text is doubled.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed class PromptTemplate
{
    private readonly List<(string Text, bool IsField)> _parts = [];

    private PromptTemplate(string text) => Text = text;

    /// <summary>The template as it was written.</summary>
    public string Text { get; }

    /// <summary>The fields' names, each once, in the order of their first appearance.</summary>
    public IReadOnlyList<string> Fields => [.. _parts.Where(part => part.IsField).Select(part => part.Text).Distinct(StringComparer.Ordinal)];

    /// <summary>Reads a template.</summary>
    /// <param name="text">The template.</param>
    /// <exception cref="PromptTemplateException">A brace is not closed, not opened, or encloses no name.</exception>
    public static PromptTemplate Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var template = new PromptTemplate(text);
        var literal = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c is '{' or '}' && i + 1 < text.Length && text[i + 1] == c)
            {
                literal.Append(c);
                i++;
            }
            else if (c == '{')
            {
                int end = text.AsSpan(i + 1).IndexOfAny('{', '}') is var length and >= 0 && text[i + 1 + length] == '}' ? i + 1 + length : throw new PromptTemplateException(text, i, "the brace is not closed");
                string name = text[(i + 1)..end];
                if (string.IsNullOrWhiteSpace(name)) throw new PromptTemplateException(text, i, "the braces enclose no name");
                if (literal.Length > 0) template._parts.Add((literal.ToString(), false));
                literal.Clear();
                template._parts.Add((name, true));
                i = end;
            }
            else if (c == '}')
            {
                throw new PromptTemplateException(text, i, "the brace closes nothing");
            }
            else
            {
                literal.Append(c);
            }
        }

        if (literal.Length > 0) template._parts.Add((literal.ToString(), false));
        return template;
    }

    /// <summary>Puts values in the fields' places. Braces in a value are text.</summary>
    /// <param name="valueOf">Gives a field's value.</param>
    public string Fill(Func<string, string> valueOf)
    {
        ArgumentNullException.ThrowIfNull(valueOf);
        return string.Concat(_parts.Select(part => part.IsField ? valueOf(part.Text) : part.Text));
    }
}

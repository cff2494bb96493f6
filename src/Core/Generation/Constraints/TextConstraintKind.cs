namespace MLNet.Gpt;

/// <summary>How a <see cref="TextConstraint"/> is written.</summary>
public enum TextConstraintKind
{
    /// <summary>One of several texts; the source is a JSON array of strings.</summary>
    Choice,

    /// <summary>A regular expression that the whole text matches.</summary>
    Regex,

    /// <summary>A JSON Schema that the text, a JSON document, satisfies.</summary>
    JsonSchema,

    /// <summary>A context-free grammar in llama.cpp's GBNF.</summary>
    Grammar,
}

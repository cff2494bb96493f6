namespace MLNet.Gpt;

/// <summary>How a <see cref="GptTokenizer"/> cuts text into tokens.</summary>
public enum GptTokenizerKind
{
    /// <summary>Byte pair encoding over UTF-8 bytes, as GPT-2's (Radford et al. 2019, section 2.2). Encodes any text.</summary>
    ByteLevelBpe,

    /// <summary>One token for each Unicode code point, for small experiments. Encodes only the characters that it was built from.</summary>
    Character,
}

namespace Microsoft.ML.Tokenizers;

/// <summary>What a <see cref="BpeTokenizer"/> is made of.</summary>
public sealed class BpeOptions
{
    public BpeOptions(IEnumerable<KeyValuePair<string, int>> vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Vocabulary = vocabulary;
    }

    /// <summary>Tokens and their ids.</summary>
    internal IEnumerable<KeyValuePair<string, int>> Vocabulary { get; }

    /// <summary>The merges, "left right" each, in order of priority.</summary>
    public IEnumerable<string>? Merges { get; set; }

    /// <summary>Special tokens and their ids.</summary>
    public IReadOnlyDictionary<string, int>? SpecialTokens { get; set; }

    /// <summary>What cuts the text into words; words and runs of symbols where null.</summary>
    public PreTokenizer? PreTokenizer { get; set; }

    /// <summary>Whether the vocabulary is written in GPT-2's byte alphabet.</summary>
    public bool ByteLevel { get; set; }
}

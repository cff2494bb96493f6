namespace MLNet.Gpt;

/// <summary>How <see cref="GptTokenizer.TrainBytePairEncoding"/> builds a vocabulary.</summary>
public sealed record BytePairTrainingOptions
{
    /// <summary>
    /// V: the tokens to end with, special tokens and the 256 bytes included; more than those together. Default 8,192, which suits a
    /// few megabytes of one language; GPT-2's is 50,257. Training ends with fewer where no pair is frequent enough.
    /// </summary>
    public int VocabularySize { get; init; } = 8_192;

    /// <summary>
    /// How often a pair must occur to be merged, 1 or more; 1 switches the limit off. Default 2, as Hugging Face's
    /// ByteLevelBPETokenizer: a pair that occurs once compresses nothing.
    /// </summary>
    public int MinimumFrequency { get; init; } = 2;

    /// <summary>
    /// The special tokens; they get the first ids, in this order. <see cref="GptTokenizer.EndOfText"/> must be one of them, and is the
    /// only one by default. Where the texts themselves would give a token that is written just so (as "the" would be), its merge is
    /// left out: a special token never comes of a text's merges.
    /// </summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = [GptTokenizer.EndOfText];

    /// <summary>Checks every value and how they fit together.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range; the message names it, its value and the remedy.</exception>
    public BytePairTrainingOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(SpecialTokens);
        if (MinimumFrequency < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(MinimumFrequency), MinimumFrequency, $"{nameof(MinimumFrequency)} is {MinimumFrequency}; it must be 1 or more (1 switches the limit off).");
        }

        var distinct = new HashSet<string>(SpecialTokens.Count, StringComparer.Ordinal);
        foreach (string token in SpecialTokens)
        {
            if (string.IsNullOrEmpty(token)) throw new ArgumentException($"{nameof(SpecialTokens)} holds an empty token; remove it.", nameof(SpecialTokens));
            if (!distinct.Add(token)) throw new ArgumentException($"{nameof(SpecialTokens)} holds '{token}' twice; remove one.", nameof(SpecialTokens));
            if (GptTokenizer.WellFormed(token) != token)
            {
                throw new ArgumentException($"Special token {distinct.Count - 1}, '{token}', holds half a surrogate pair, which no text can hold; write the whole character.", nameof(SpecialTokens));
            }

            if (token.Length == 1 && ByteAlphabet.ToBytes(token) is not null)
            {
                throw new ArgumentException($"Special token '{token}' is written just as the token of a byte; choose a longer one, such as '<|{token}|>'.", nameof(SpecialTokens));
            }
        }

        if (!distinct.Contains(GptTokenizer.EndOfText))
        {
            throw new ArgumentException($"{nameof(SpecialTokens)} lacks '{GptTokenizer.EndOfText}', which separates documents; add it.", nameof(SpecialTokens));
        }

        int least = 256 + SpecialTokens.Count;
        if (VocabularySize < least)
        {
            throw new ArgumentOutOfRangeException(nameof(VocabularySize), VocabularySize, $"{nameof(VocabularySize)} is {VocabularySize}; the 256 bytes and {SpecialTokens.Count} special token(s) alone need {least}. Choose more than {least}.");
        }

        return this;
    }
}

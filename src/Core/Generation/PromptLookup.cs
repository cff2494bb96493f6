namespace MLNet.Gpt;

/// <summary>
/// Guesses the next tokens from what a sequence holds already (prompt lookup decoding, Saxena 2023): those that came after the last place where its end stood before. The model then checks all of them in one pass, so that text that repeats itself,
/// or its prompt, comes faster; what comes is what would have come without (Leviathan et al. 2023, with a guess that is certain).
/// </summary>
internal static class PromptLookup
{
    // The longest end that is looked for, and the shortest; Saxena's values.
    private const int Longest = 3, Shortest = 1;

    /// <summary>Guesses.</summary>
    /// <param name="tokens">Prompt and output.</param>
    /// <param name="count">The most tokens to guess.</param>
    /// <returns>The tokens that followed the latest earlier place of the longest end of up to three tokens that has one; at most <paramref name="count"/>, none where there is no such place.</returns>
    public static ReadOnlySpan<int> Guess(ReadOnlySpan<int> tokens, int count)
    {
        if (count <= 0) return default;
        for (int n = Longest; n >= Shortest; n--)
        {
            if (tokens.Length <= n) continue;
            int at = tokens[..^1].LastIndexOf(tokens[^n..]);
            if (at >= 0) return tokens.Slice(at + n, Math.Min(count, tokens.Length - at - n));
        }

        return default;
    }
}

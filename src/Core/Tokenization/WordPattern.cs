using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Tells from a vocabulary that its words were cut by another pattern than GPT-2's, which rank files and file pairs don't say: it then
/// has many tokens that reach over two of GPT-2's words, such as ";\n" or "(self". GPT-2's own vocabulary has none, cl100k_base one in
/// five, o200k_base one in six.
/// </summary>
internal static class WordPattern
{
    private const double MostForeign = 0.01;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // The published encodings with patterns of their own, by the number of their tokens of several bytes.
    private static readonly Dictionary<int, string> s_published = new()
    {
        [100_256 - 256] = "cl100k_base",
        [199_998 - 256] = "o200k_base",
        [128_000 - 256] = "Llama 3",
        [151_643 - 256] = "Qwen",
    };

    /// <summary>Refuses a vocabulary of another pattern.</summary>
    /// <param name="definition">The vocabulary.</param>
    /// <param name="path">The file that its merges come from.</param>
    /// <returns>The vocabulary.</returns>
    /// <exception cref="UnsupportedTokenizerException">More than one in a hundred of the tokens that merges give reach over a word's end.</exception>
    public static TokenizerDefinition Require(TokenizerDefinition definition, string path)
    {
        Require(definition.Merges.Select(merge => definition.Tokens[merge.Left] + definition.Tokens[merge.Right]).Distinct(), path);
        return definition;
    }

    /// <summary>Refuses a vocabulary of another pattern.</summary>
    /// <param name="tokens">The tokens that merges give, in the byte alphabet.</param>
    /// <param name="path">The file that they come from.</param>
    /// <exception cref="UnsupportedTokenizerException">More than one in a hundred of the tokens reach over a word's end.</exception>
    public static void Require(IEnumerable<string> tokens, string path)
    {
        int all = 0, foreign = 0;
        string example = "";
        foreach (string token in tokens)
        {
            all++;
            if (ReachesOver(token) && foreign++ == 0) example = token;
        }

        if (foreign <= MostForeign * all) return;
        string name = s_published.TryGetValue(all, out string? known) ? $"that of {known}" : "another one";
        throw new UnsupportedTokenizerException(
            path, "the pattern that cuts words", $"{name}: {foreign} of {all} merged tokens, such as '{example}', reach over the end of a word of GPT-2's", $"GPT-2's, '{GptPreTokenizer.Pattern}', as gpt2, r50k_base and p50k_base have it");
    }

    private static bool ReachesOver(string token)
    {
        if (ByteAlphabet.ToBytes(token) is not { } bytes) return false;
        try
        {
            string text = s_strictUtf8.GetString(bytes);
            return GptPreTokenizer.FirstWordLength(text) < text.Length;
        }
        catch (DecoderFallbackException)
        {
            return false; // holds a part of a character only: nothing to tell from
        }
    }
}

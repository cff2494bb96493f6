namespace MLNet.Gpt;

/// <summary>Fills a context with passages within a number of tokens.</summary>
internal static class ContextBudget
{
    /// <summary>The passages that fit, in their order, and the text of them.</summary>
    /// <param name="passages">The passages, the best first.</param>
    /// <param name="separator">What stands between them.</param>
    /// <param name="maxTokens">The most tokens of the whole.</param>
    /// <param name="count">Counts the tokens of a text.</param>
    public static (string Text, IReadOnlyList<int> Taken) Fill(IReadOnlyList<string> passages, string separator, int maxTokens, Func<string, int> count)
    {
        string text = "";
        List<int> taken = [];
        for (int i = 0; i < passages.Count; i++)
        {
            string longer = taken.Count == 0 ? passages[i] : text + separator + passages[i];
            if (count(longer) > maxTokens) continue;
            text = longer;
            taken.Add(i);
        }

        return (text, taken);
    }
}

namespace MLNet.Gpt;

/// <summary>What a model with a task head says of one example.</summary>
/// <param name="Scores">A probability for each class (for each answer of a multiple choice); for a regression the one number.</param>
/// <param name="DroppedTokens">How many tokens did not fit the context, in all of the example's sequences.</param>
public sealed record TextPrediction(IReadOnlyList<float> Scores, int DroppedTokens)
{
    /// <summary>The most probable class or answer, 0 to K - 1; the first of several with the same score.</summary>
    public int Index { get; } = Best(Scores);

    private static int Best(IReadOnlyList<float> scores)
    {
        int best = 0;
        for (int i = 1; i < scores.Count; i++)
        {
            if (scores[i] > scores[best]) best = i;
        }

        return best;
    }
}

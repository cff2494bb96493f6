namespace MLNet.Gpt;

/// <summary>What every rollout of a run has.</summary>
/// <param name="Shape">The policy's shape, which every token and row fits.</param>
/// <param name="PromptCount">The prompts that are trained on.</param>
/// <param name="RowCount">The responses of a rollout.</param>
/// <param name="MetricCount">What is measured of a rollout.</param>
/// <param name="HasValues">Whether there is a value model.</param>
internal sealed record RolloutForm(GptConfig Shape, int PromptCount, int RowCount, int MetricCount, bool HasValues)
{
    /// <summary>What a response has that no rollout leaves; null where it has nothing of the kind.</summary>
    public string? ProblemOf(RolloutRow row)
    {
        if (row.Prompt < 0 || row.Prompt >= PromptCount) return $"answers prompt {row.Prompt}, and the last is {PromptCount - 1}";
        int tokens = row.Response.Length, values = HasValues ? tokens : 0;
        if (row.PromptTokens.Length == 0 || tokens == 0) return $"has {tokens} tokens behind a prompt of {row.PromptTokens.Length}; both have 1 or more";
        if (row.Width > Shape.ContextLength) return $"takes {row.Width} positions, and the policy's context has {Shape.ContextLength}";
        foreach (int token in row.PromptTokens.Concat(row.Response))
        {
            if (token < 0 || token >= Shape.VocabularySize) return $"has the token {token}, and the policy's last is {Shape.VocabularySize - 1}";
        }

        if (row.LogProbabilities.Length != tokens || row.ReferenceLogProbabilities.Length != tokens)
            return $"has {tokens} tokens, {row.LogProbabilities.Length} log-probabilities and {row.ReferenceLogProbabilities.Length} of the reference";
        if (row.Advantages.Length != 1 && row.Advantages.Length != tokens) return $"has {tokens} tokens and {row.Advantages.Length} advantages";
        return row.Values.Length != values || row.Returns.Length != values ? $"has {row.Values.Length} values and {row.Returns.Length} returns; it must have {values}" : null;
    }
}

namespace MLNet.Gpt;

/// <summary>A response of the policy with all that is learnt from it. t: a token of the response.</summary>
/// <param name="Prompt">Which prompt it answers, by its place in the set of prompts.</param>
/// <param name="PromptTokens">The prompt.</param>
/// <param name="Response">The response, 1 token or more, the one that ends it among them.</param>
/// <param name="IsComplete">Whether it ended; false where the most tokens were reached.</param>
internal sealed record RolloutRow(int Prompt, int[] PromptTokens, int[] Response, bool IsComplete)
{
    /// <summary>log π_old of each token: the policy as it was when it wrote them.</summary>
    public float[] LogProbabilities { get; set; } = [];

    /// <summary>log π_ref of each token.</summary>
    public float[] ReferenceLogProbabilities { get; set; } = [];

    /// <summary>V_old before each token; empty without a value model.</summary>
    public float[] Values { get; set; } = [];

    /// <summary>A of each token, or one for all of them.</summary>
    public float[] Advantages { get; set; } = [];

    /// <summary>R, what the value model should have said before each token; empty without a value model.</summary>
    public float[] Returns { get; set; } = [];

    /// <summary>Whether the policy learns from it.</summary>
    public bool Counts { get; set; } = true;

    /// <summary>The positions that a network computes: all tokens but the last.</summary>
    public int Width => PromptTokens.Length + Response.Length - 1;

    /// <summary>Σ_t log π − log π_ref: an estimate of the KL from the reference, nats.</summary>
    public double Kl => LogProbabilities.Zip(ReferenceLogProbabilities, static (own, reference) => (double)own - reference).Sum();
}

/// <summary>The responses that the next updates learn from.</summary>
/// <param name="Rows">The responses, those of a prompt behind each other.</param>
/// <param name="KlCoefficient">β.</param>
/// <param name="Metrics">What was measured, in the order of the method's names.</param>
internal sealed record Rollout(IReadOnlyList<RolloutRow> Rows, double KlCoefficient, IReadOnlyList<double> Metrics);

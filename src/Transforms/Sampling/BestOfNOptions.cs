namespace MLNet.Gpt;

/// <summary>How the best of several responses is found, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record BestOfNOptions
{
    /// <summary>
    /// n: the responses that are drawn for each prompt, 1 or more. Default 16. Best-of-n is at most log n − (n − 1)/n nats from the policy (Stiennon et al. 2020, appendix G.3; Beirami et
    /// al. 2024): 1.84 for 16.
    /// </summary>
    public int Samples { get; init; } = 16;

    /// <summary>
    /// How responses are drawn, and whether prompts are texts or conversations, as the reward model reads them too. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1. The columns that
    /// it names tell of the response that was kept.
    /// </summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary>The most tokens, padding included, that the reward model computes at once, 1 or more. Null (the default): 1,024 on a CPU, 4,096 on a GPU.</summary>
    public int? MaxBatchTokens { get; init; }

    /// <summary>The Single column of the reward of the response that was kept. Default "Score"; null leaves it out.</summary>
    public string? ScoreColumnName { get; init; } = "Score";

    /// <summary>The Single column of the mean reward of all n: what one response would have brought. Null (the default) leaves it out.</summary>
    public string? MeanScoreColumnName { get; init; }

    /// <summary>log n − (n − 1)/n: the most nats that the choice is away from the policy, by the Kullback-Leibler divergence of the chosen responses from the policy's own.</summary>
    public double KlBound => Math.Log(Samples) - ((Samples - 1.0) / Samples);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or two do not fit together.</exception>
    public void Validate() => ResponseSampler.Validate(Samples, Generation, MaxBatchTokens);
}

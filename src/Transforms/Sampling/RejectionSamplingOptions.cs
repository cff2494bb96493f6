namespace MLNet.Gpt;

/// <summary>How good responses are sampled as examples to train on, and which are kept.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record RejectionSamplingOptions
{
    /// <summary>The responses that are drawn for each prompt, 1 or more. Default 16.</summary>
    public int Samples { get; init; } = 16;

    /// <summary>The most different responses of a prompt that are kept, the best ones, 1 or more. Default 1 (Touvron et al. 2023, section 3.2.3).</summary>
    public int Keep { get; init; } = 1;

    /// <summary>
    /// The reward that a response must reach to be kept; a prompt none of whose responses does gives no row. Null (the default) keeps the best ones whatever they are worth. A reward model's
    /// own references average 0 (<c>RewardModelOptions.References</c>).
    /// </summary>
    public float? MinReward { get; init; }

    /// <summary>Whether only responses are kept that the policy ended itself. Default true: from one that was cut off a model would learn to end there.</summary>
    public bool FinishedOnly { get; init; } = true;

    /// <summary>How responses are drawn, and whether prompts are texts or conversations, as the reward model reads them too. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1; the columns that it names must be null.</summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary>The prompts that are drawn for at once, 1 or more. Default 16.</summary>
    public int PromptBatchSize { get; init; } = 16;

    /// <summary>The most tokens, padding included, that the reward model computes at once, 1 or more. Null (the default): 1,024 on a CPU, 4,096 on a GPU.</summary>
    public int? MaxBatchTokens { get; init; }

    /// <summary>The Single column of the rewards. Default "Score"; null leaves it out.</summary>
    public string? ScoreColumnName { get; init; } = "Score";

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or two do not fit together.</exception>
    public void Validate()
    {
        ResponseSampler.Validate(Samples, Generation, MaxBatchTokens);
        foreach ((int value, string name) in ((int, string)[])[(Keep, nameof(Keep)), (PromptBatchSize, nameof(PromptBatchSize))])
        {
            if (value < 1) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be 1 or more.");
        }

        if (Keep > Samples) throw new ArgumentException($"{nameof(Keep)} is {Keep} and {nameof(Samples)} is {Samples}: so many can't be kept; draw more, or keep fewer.", nameof(Keep));
        if (MinReward is { } least && !float.IsFinite(least)) throw new ArgumentOutOfRangeException(nameof(MinReward), least, FormattableString.Invariant($"{nameof(MinReward)} is {least}; it must be finite, or null to keep the best ones whatever they are worth."));
        foreach ((string? value, string name) in ((string?, string)[])[(Generation.FinishReasonColumnName, nameof(Generation.FinishReasonColumnName)), (Generation.TokenCountColumnName, nameof(Generation.TokenCountColumnName)), (Generation.LogProbabilitiesColumnName, nameof(Generation.LogProbabilitiesColumnName))])
        {
            if (value is not null) throw new ArgumentException($"{name} is '{value}', and the examples have no such column; leave it null.", nameof(Generation));
        }
    }
}

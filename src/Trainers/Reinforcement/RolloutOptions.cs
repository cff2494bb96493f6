namespace MLNet.Gpt;

/// <summary>How a policy under training answers prompts, and how many answers an update learns from.</summary>
/// <remarks>Immutable. Checked with the options that it is a part of. Responses are drawn from the policy's own distribution at <see cref="Temperature"/>, as policy gradients want them: there is no top-k and no top-p.</remarks>
public sealed record RolloutOptions
{
    /// <summary>The most tokens of a response, the one that ends it among them, 1 or more. Default 128.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Divides the logits, above 0; the log-probabilities that are learnt from are those of the divided logits. Default 1 (Ouyang et al. 2022, appendix C.4); TRL's PPO has 0.7.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Responses to each prompt of a rollout, 1 or more; 2 or more for GRPO and RLOO. Null (the default) means 1 with PPO, 8 with GRPO and 2 with RLOO, which are TRL's.</summary>
    public int? SamplesPerPrompt { get; init; }

    /// <summary>Updates that a rollout is cut into, 1 or more: a rollout has so many times <see cref="PolicyOptimizationOptions.BatchSize"/> responses. Default 8, InstructGPT's (appendix C.4).</summary>
    public int Minibatches { get; init; } = 8;

    /// <summary>How often each response of a rollout is learnt from, 1 or more, in another order each time. Default 1, InstructGPT's; TRL's PPO has 4.</summary>
    public int InnerEpochs { get; init; } = 1;

    /// <summary>Responses that are written at once, 1 or more. More is faster and takes more memory for the key/value cache. Default 64.</summary>
    public int GenerationBatchSize { get; init; } = 64;

    /// <summary>
    /// What happens to a prompt that leaves no room for <see cref="MaxNewTokens"/>. Default <see cref="PromptOverflow.Error"/>: training does not begin. <see cref="PromptOverflow.KeepTail"/> keeps its last
    /// tokens, and of a conversation the last turns.
    /// </summary>
    public PromptOverflow PromptOverflow { get; init; } = PromptOverflow.Error;

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public RolloutOptions Validate()
    {
        OptionCheck.AtLeast(1, MaxNewTokens, nameof(MaxNewTokens));
        OptionCheck.Require(Temperature > 0 && float.IsFinite(Temperature), Temperature, nameof(Temperature), "above 0 and finite (greedy responses teach nothing)");
        OptionCheck.AtLeast(1, SamplesPerPrompt ?? 1, nameof(SamplesPerPrompt));
        OptionCheck.AtLeast(1, Minibatches, nameof(Minibatches));
        OptionCheck.AtLeast(1, InnerEpochs, nameof(InnerEpochs));
        OptionCheck.AtLeast(1, GenerationBatchSize, nameof(GenerationBatchSize));
        OptionCheck.Defined(PromptOverflow, nameof(PromptOverflow));
        return this;
    }
}

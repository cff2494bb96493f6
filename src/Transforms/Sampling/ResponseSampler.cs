namespace MLNet.Gpt;

/// <summary>A policy that writes several responses to each prompt, and a reward model that scores them. Immutable; may be used from several threads.</summary>
internal sealed class ResponseSampler
{
    private readonly GptModel _policy;
    private readonly GptRewardModel _reward;
    private readonly GenerateTextOptions _generation;
    private readonly ScoreResponseOptions _scoring;

    /// <summary>Checks that the two go together.</summary>
    /// <param name="policy">Writes.</param>
    /// <param name="reward">Scores.</param>
    /// <param name="samples">Responses to each prompt.</param>
    /// <param name="generation">How responses are drawn.</param>
    /// <param name="maxBatchTokens">The tokens that the reward model computes at once; null for its device's default.</param>
    /// <exception cref="ArgumentException">They do not.</exception>
    /// <exception cref="ChatTemplateException">The prompts are conversations, and the policy has no chat template.</exception>
    public ResponseSampler(GptModel policy, GptRewardModel reward, int samples, GenerateTextOptions generation, int? maxBatchTokens)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(reward);
        (_policy, _reward) = (policy, reward);
        _generation = generation.ForColumns() with { SamplesPerPrompt = samples };
        _scoring = new ScoreResponseOptions { MaxBatchTokens = maxBatchTokens };
        policy.CheckStops(generation);
        if (IsConversation) policy.RequireChatTemplate();
        if (reward.Head.Conversations != IsConversation)
        {
            throw new ArgumentException(reward.Head.Conversations
                ? $"The reward model reads conversations and {nameof(GenerateTextOptions.PromptForm)} is {PromptForm.Text}; set it to {PromptForm.Conversation}, or take a reward model that was trained on texts."
                : $"The reward model reads texts and {nameof(GenerateTextOptions.PromptForm)} is {PromptForm.Conversation}; set it to {PromptForm.Text}, or take a reward model that was trained on conversations ({nameof(RewardHead)}.{nameof(RewardHead.Conversations)}).", nameof(reward));
        }
    }

    private bool IsConversation => _generation.PromptForm == PromptForm.Conversation;

    /// <summary>Checks how responses are to be drawn.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or two do not fit together.</exception>
    public static void Validate(int samples, GenerateTextOptions generation, int? maxBatchTokens)
    {
        if (samples < 1) throw new ArgumentOutOfRangeException("Samples", samples, $"Samples is {samples}; it must be 1 or more.");
        ArgumentNullException.ThrowIfNull(generation);
        generation.Validate();
        SpecialTokensOption.Validate(generation.SpecialTokens);
        if (maxBatchTokens < 1) throw new ArgumentOutOfRangeException("MaxBatchTokens", maxBatchTokens, $"MaxBatchTokens is {maxBatchTokens}; it must be 1 or more.");
        if (generation.SamplesPerPrompt != 1)
            throw new ArgumentException($"{nameof(generation.SamplesPerPrompt)} is {generation.SamplesPerPrompt}, and Samples says how many responses are drawn; set it to 1.", nameof(generation));
        if (generation.IsGreedy && samples > 1)
            throw new ArgumentException($"{nameof(generation.Temperature)} is 0, which draws the same response {samples} times; set it above 0, or Samples to 1.", nameof(generation));
    }

    /// <summary>Draws and scores.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Each prompt's responses in the order in which they were drawn.</returns>
    /// <exception cref="NonFiniteRewardException">A reward is not a number.</exception>
    public IReadOnlyList<SampledResponse[]> Draw(IReadOnlyList<string> prompts, CancellationToken cancellationToken)
    {
        int samples = _generation.SamplesPerPrompt;
        int[][] tokens = [.. prompts.Select(Encode)];
        GenerationOptions options = IsConversation ? _policy.ChatOptions(_generation) : _generation;
        GeneratedText[] texts = [.. _policy.GenerateTokens(tokens, options, onToken: null, cancellationToken).Select(sequence => _policy.ToText(sequence, _generation))];

        // Equal responses to one prompt are scored once.
        (string Prompt, string Response)[] different = [.. texts.Select(text => (prompts[text.PromptIndex], text.Text)).Distinct()];
        Dictionary<(string, string), float> rewards = [];
        foreach (((string, string Response) one, ResponseReward reward) in different.Zip(_reward.Score(different, _scoring, cancellationToken)))
        {
            if (!float.IsFinite(reward.Reward)) throw new NonFiniteRewardException(reward.Reward, one.Response);
            rewards.Add(one, reward.Reward);
        }

        return [.. texts.Select(text => new SampledResponse(text.Text, rewards[(prompts[text.PromptIndex], text.Text)], text.FinishReason, text.TokenCount) { LogProbabilities = text.LogProbabilities }).Chunk(samples)];

        int[] Encode(string prompt)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return IsConversation ? [.. _policy.RenderPrompt(ConversationJson.Parse(prompt), _generation, cancellationToken).TokenIds] : _policy.Tokenizer.Encode(prompt, _generation.SpecialTokens);
        }
    }
}

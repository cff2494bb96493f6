namespace MLNet.Gpt.Transforms.Tests;

/// <summary>A reward model that counts a token: the reward is how often it stands in the sequence, or what a function makes of that.</summary>
internal sealed class CountingReward(GptConfig config, int token, Func<int, float>? reward = null, RewardHead? head = null) : IRewardModel
{
    public GptConfig Config => config;

    public RewardHead Head { get; } = head ?? new();

    public GptDevice Device => GptDevice.Cpu;

    /// <summary>The sequences of all calls.</summary>
    public int Sequences { get; private set; }

    /// <summary>A model over letters that counts one of them.</summary>
    public static GptRewardModel Of(char letter, out CountingReward engine, Func<int, float>? reward = null)
    {
        GptTokenizer letters = TestModels.Letters;
        engine = new(new() { VocabularySize = letters.VocabularySize, ContextLength = 32 }, letters.Encode($"{letter}").Single(), reward);
        return new(engine, letters);
    }

    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> rewards, CancellationToken cancellationToken = default)
    {
        int width = RewardModelChecks.Validate(this, tokenIds, lengths, rewards);
        for (int row = 0; row < lengths.Length; row++)
        {
            int count = tokenIds.Slice(row * width, lengths[row]).Count(token);
            rewards[row] = reward?.Invoke(count) ?? count;
        }

        Sequences += lengths.Length;
    }

    public void Dispose()
    {
    }
}

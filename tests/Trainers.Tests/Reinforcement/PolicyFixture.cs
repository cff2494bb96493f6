namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

/// <summary>A small policy over letters, and what belongs to it.</summary>
internal sealed class PolicyFixture : IDisposable
{
    public static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);

    /// <summary>Weights wide enough that the next letters differ in likelihood.</summary>
    public static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2, InitializerRange = 0.15f };

    public static readonly PolicyOptimizationOptions Plain = new()
    {
        BatchSize = 6,
        Rollout = new() { Minibatches = 2, MaxNewTokens = 6, GenerationBatchSize = 4 },
        Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Count(static c => c == 'a'))] },
        Run = new() { Device = GptDevice.Cpu, Precision = GptPrecision.Float32, PeakFlops = 0, Seed = 1 },
    };

    private readonly PretrainedWeights _pretrained;

    public PolicyFixture(PolicyOptimizationOptions? options = null, RewardNetwork? reward = null, int? rowsAtOnce = 4)
    {
        Start = new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed: 3)), Letters);
        Options = (options ?? Plain) with { Pretrained = Start };
        _pretrained = Options.Pretrained!.Open();
        Rewards = new(Options.Reward, Letters, null, GptDevice.Cpu);
        Model = PolicyTrainedModel.Create(_pretrained, null, reward, null, GptDevice.Cpu, GptPrecision.Float32, seed: 5, Options);
        Prompts = [.. Enumerable.Range(0, 7).Select(static i => string.Concat(Enumerable.Range(0, 1 + (i % 4)).Select(k => (char)('a' + ((i + (3 * k)) % 10))))).Select(static (text, row) => new PolicyPrompt(row, text, Letters.Encode(text)))];
        Sampler = new(Model.Network, Letters, [], Options.Rollout);
        Rollouts = new(Model, Sampler, Rewards, Prompts, Options, rowsAtOnce, seed: 9);
    }

    public RewardScorer Rewards { get; }

    public GptModel Start { get; }

    public PolicyOptimizationOptions Options { get; }

    public PolicyTrainedModel Model { get; }

    public IReadOnlyList<PolicyPrompt> Prompts { get; }

    public PolicySampler Sampler { get; }

    public PolicyRollouts Rollouts { get; }

    public void Dispose()
    {
        Model.Dispose();
        Rewards.Dispose();
        _pretrained.Dispose();
        Start.Dispose();
    }
}

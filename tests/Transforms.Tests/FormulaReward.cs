using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>A reward model whose numbers follow a formula.</summary>
internal sealed class FormulaReward(GptConfig config, RewardHead head, float phase = 0) : IRewardWeights
{
    private readonly FormulaWeights _network = new(config);

    public GptConfig Config => config;

    public RewardHead Head => head;

    public void Read(string name, Span<float> destination)
    {
        int k = RewardParameterLayout.Of(config, head).ToList().FindIndex(info => info.Name == name);
        if (k < 0)
        {
            _network.Read(name, destination);
            return;
        }

        for (int i = 0; i < destination.Length; i++) destination[i] = MathF.Sin((0.7f * i) + k + phase);
    }
}

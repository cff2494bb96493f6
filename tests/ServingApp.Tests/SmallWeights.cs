using MLNet.Gpt;

namespace ServingApp.Tests;

/// <summary>Weights of a small network with a head, which nobody trained: LayerNorm's gains are 1, all else a wave that each tensor begins elsewhere.</summary>
internal class SmallWeights : IGptWeights
{
    public GptConfig Config { get; } = new() { VocabularySize = ScriptedModel.Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 };

    public void Read(string name, Span<float> destination)
    {
        if (name.Contains("ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal))
        {
            destination.Fill(1);
            return;
        }

        float start = name.Sum(static letter => (float)letter);
        for (int i = 0; i < destination.Length; i++) destination[i] = 0.3f * MathF.Sin((0.7f * i) + start);
    }

    internal sealed class Classifier(ClassifierHead head) : SmallWeights, IClassifierWeights
    {
        public ClassifierHead Head => head;
    }

    internal sealed class Reward(RewardHead head) : SmallWeights, IRewardWeights
    {
        public RewardHead Head => head;
    }
}

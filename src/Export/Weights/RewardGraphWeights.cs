namespace MLNet.Gpt;

/// <summary>
/// The weights of a reward model as its graph names and shapes them: the read-out token is the last row of the token embedding, and the head is called "score", as in
/// transformers' GPT2ForSequenceClassification.
/// </summary>
internal sealed class RewardGraphWeights(IRewardWeights weights) : IGptWeights
{
    public GptConfig Config => Extend(weights.Config, weights.Head);

    /// <summary>The shape with the read-out token in its vocabulary.</summary>
    public static GptConfig Extend(GptConfig config, RewardHead head) => config with { VocabularySize = config.VocabularySize + head.AddedTokenCount };

    public void Read(string name, Span<float> destination)
    {
        switch (name)
        {
            case GptParameterLayout.TokenEmbedding:
                int own = weights.Config.VocabularySize * weights.Config.EmbeddingSize;
                weights.Read(name, destination[..own]);
                if (destination.Length > own) weights.Read(RewardParameterLayout.ReadoutToken, destination[own..]);
                break;
            case ClassifierGraphWeights.ScoreWeight:
                weights.Read(RewardParameterLayout.HeadWeight, destination);
                break;
            case ClassifierGraphWeights.ScoreBias:
                weights.Read(RewardParameterLayout.HeadBias, destination);
                break;
            default:
                weights.Read(name, destination);
                break;
        }
    }
}

namespace MLNet.Gpt;

/// <summary>
/// The weights of a model with a task head as its graph names and shapes them: the three new tokens are the last rows of the token embedding,
/// and the head is called "score", as in transformers' GPT2ForSequenceClassification.
/// </summary>
internal sealed class ClassifierGraphWeights(IClassifierWeights weights) : IGptWeights
{
    public const string ScoreWeight = "score.weight", ScoreBias = "score.bias";

    public GptConfig Config => Extend(weights.Config);

    /// <summary>The shape with the three new tokens in its vocabulary.</summary>
    public static GptConfig Extend(GptConfig config) => config with { VocabularySize = config.VocabularySize + TaskSequences.SpecialTokenCount };

    public void Read(string name, Span<float> destination)
    {
        switch (name)
        {
            case GptParameterLayout.TokenEmbedding:
                int own = weights.Config.VocabularySize * weights.Config.EmbeddingSize;
                weights.Read(name, destination[..own]);
                weights.Read(ClassifierParameterLayout.SpecialTokens, destination[own..]);
                break;
            case ScoreWeight:
                weights.Read(ClassifierParameterLayout.HeadWeight, destination);
                break;
            case ScoreBias:
                weights.Read(ClassifierParameterLayout.HeadBias, destination);
                break;
            default:
                weights.Read(name, destination);
                break;
        }
    }
}

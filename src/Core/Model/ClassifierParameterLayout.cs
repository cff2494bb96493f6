namespace MLNet.Gpt;

/// <summary>The parameters that a task head adds to a network (Radford et al. 2018, section 3.2: W_y and the embeddings of the new tokens).</summary>
internal static class ClassifierParameterLayout
{
    /// <summary>(3, C): the embeddings of Start, Delimiter and Extract.</summary>
    public const string SpecialTokens = "special_tokens.weight";

    /// <summary>(K, C): the linear head.</summary>
    public const string HeadWeight = "head.weight";

    /// <summary>(K): the linear head's bias.</summary>
    public const string HeadBias = "head.bias";

    /// <summary>Lists the parameters of a head; the network's own are <see cref="GptParameterLayout.Of"/>.</summary>
    /// <param name="config">The network's shape.</param>
    /// <param name="head">The head.</param>
    public static IReadOnlyList<GptParameterInfo> Of(GptConfig config, ClassifierHead head)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(head);
        return
        [
            new(SpecialTokens, [TaskSequences.SpecialTokenCount, config.EmbeddingSize], GptParameterRole.TaskTokenEmbedding),
            new(HeadWeight, [head.OutputCount, config.EmbeddingSize], GptParameterRole.HeadWeight),
            new(HeadBias, [head.OutputCount], GptParameterRole.HeadBias),
        ];
    }
}

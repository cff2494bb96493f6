namespace MLNet.Gpt;

/// <summary>The parameters that a reward model adds to a network.</summary>
internal static class RewardParameterLayout
{
    /// <summary>(1, C): the embedding of the read-out token, with <see cref="RewardReadout.ReadoutToken"/>.</summary>
    public const string ReadoutToken = "readout_token.weight";

    /// <summary>(1, C): the linear head.</summary>
    public const string HeadWeight = "head.weight";

    /// <summary>(1): the linear head's bias, which holds the shift of the rewards too.</summary>
    public const string HeadBias = "head.bias";

    /// <summary>Lists the parameters of a head; the network's own are <see cref="GptParameterLayout.Of"/>.</summary>
    /// <param name="config">The network's shape.</param>
    /// <param name="head">The head.</param>
    public static IReadOnlyList<GptParameterInfo> Of(GptConfig config, RewardHead head)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(head);
        List<GptParameterInfo> parameters =
        [
            new(HeadWeight, [1, config.EmbeddingSize], GptParameterRole.HeadWeight),
            new(HeadBias, [1], GptParameterRole.HeadBias),
        ];
        if (head.AddedTokenCount > 0) parameters.Insert(0, new(ReadoutToken, [head.AddedTokenCount, config.EmbeddingSize], GptParameterRole.TaskTokenEmbedding));
        return parameters;
    }
}

namespace MLNet.Gpt;

/// <summary>
/// Which parameters a GPT has: the one list that the network, the checkpoint and the ONNX graph share. The output head is the
/// token embedding (tied), so it has no entry of its own.
/// </summary>
internal static class GptParameterLayout
{
    /// <summary>The token embedding and output head, (V, C).</summary>
    public const string TokenEmbedding = "wte.weight";

    /// <summary>The learned position embedding, (T, C).</summary>
    public const string PositionEmbedding = "wpe.weight";

    /// <summary>Lists the parameters in the order of the forward pass.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <exception cref="ArgumentOutOfRangeException">The configuration is not valid.</exception>
    public static IReadOnlyList<GptParameterInfo> Of(GptConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        long v = config.VocabularySize, t = config.ContextLength, c = config.EmbeddingSize, f = config.InnerSize;
        var list = new List<GptParameterInfo> { new(TokenEmbedding, [v, c], GptParameterRole.TokenEmbedding), new(PositionEmbedding, [t, c], GptParameterRole.PositionEmbedding) };
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            string h = $"h.{layer}.";
            list.Add(new(h + "ln_1.weight", [c], GptParameterRole.LayerNormGain));
            list.Add(new(h + "ln_1.bias", [c], GptParameterRole.LayerNormBias));
            list.Add(new(h + "attn.c_attn.weight", [c, 3 * c], GptParameterRole.Projection));
            list.Add(new(h + "attn.c_attn.bias", [3 * c], GptParameterRole.ProjectionBias));
            list.Add(new(h + "attn.c_proj.weight", [c, c], GptParameterRole.ResidualProjection));
            list.Add(new(h + "attn.c_proj.bias", [c], GptParameterRole.ProjectionBias));
            list.Add(new(h + "ln_2.weight", [c], GptParameterRole.LayerNormGain));
            list.Add(new(h + "ln_2.bias", [c], GptParameterRole.LayerNormBias));
            list.Add(new(h + "mlp.c_fc.weight", [c, f], GptParameterRole.Projection));
            list.Add(new(h + "mlp.c_fc.bias", [f], GptParameterRole.ProjectionBias));
            list.Add(new(h + "mlp.c_proj.weight", [f, c], GptParameterRole.ResidualProjection));
            list.Add(new(h + "mlp.c_proj.bias", [c], GptParameterRole.ProjectionBias));
        }

        if (config.BlockForm == GptBlockForm.PreNorm)
        {
            list.Add(new("ln_f.weight", [c], GptParameterRole.LayerNormGain));
            list.Add(new("ln_f.bias", [c], GptParameterRole.LayerNormBias));
        }

        return list;
    }
}

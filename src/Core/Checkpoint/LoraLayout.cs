namespace MLNet.Gpt;

/// <summary>Which tensors a LoRA adapter has: the one list that the trainer and the adapter's files share.</summary>
internal static class LoraLayout
{
    /// <summary>The four projections in the order of the forward pass, with their names in a checkpoint.</summary>
    internal static IReadOnlyList<(LoraProjections Projection, string Module)> Modules { get; } =
    [
        (LoraProjections.AttentionIn, "attn.c_attn"),
        (LoraProjections.AttentionOut, "attn.c_proj"),
        (LoraProjections.FeedForwardIn, "mlp.c_fc"),
        (LoraProjections.FeedForwardOut, "mlp.c_proj"),
    ];

    /// <summary>
    /// Lists the tensors in the order of the forward pass, as PEFT names them without the prefix "base_model.model.transformer.": for each
    /// projection "h.0.attn.c_attn.lora_A.weight" (r, in) and "h.0.attn.c_attn.lora_B.weight" (out, r).
    /// </summary>
    /// <param name="config">The model that is adapted.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public static IReadOnlyList<GptParameterInfo> Of(GptConfig config, LoraOptions options) =>
        [.. TermsOf(config, options).SelectMany(static term => new[] { term.A, term.B })];

    /// <summary>Lists the adapted weights, by their names in <see cref="GptParameterLayout"/>, in the same order, each with its two matrices.</summary>
    internal static IReadOnlyList<(string Weight, GptParameterInfo A, GptParameterInfo B)> TermsOf(GptConfig config, LoraOptions options)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        options.ValidateFor(config.Validate());
        long r = options.Rank;
        var list = new List<(string, GptParameterInfo, GptParameterInfo)>();
        foreach (int layer in options.Layers?.Order() ?? Enumerable.Range(0, config.LayerCount))
        {
            foreach ((LoraProjections projection, string module) in Modules)
            {
                if (!options.Projections.HasFlag(projection)) continue;
                (long input, long output) = SizesOf(config, projection);
                list.Add((WeightOf(layer, module), new(NameA(layer, module), [r, input], GptParameterRole.AdapterIn), new(NameB(layer, module), [output, r], GptParameterRole.AdapterOut)));
            }
        }

        return list;
    }

    /// <summary>The name of the weight that a projection's adapter is added to.</summary>
    internal static string WeightOf(int layer, LoraProjections projection) => WeightOf(layer, Modules.Single(module => module.Projection == projection).Module);

    /// <summary>A's name.</summary>
    internal static string NameA(int layer, string module) => $"h.{layer}.{module}.lora_A.weight";

    /// <summary>B's name.</summary>
    internal static string NameB(int layer, string module) => $"h.{layer}.{module}.lora_B.weight";

    private static string WeightOf(int layer, string module) => $"h.{layer}.{module}.weight";

    /// <summary>The numbers that a projection takes and gives.</summary>
    internal static (long Input, long Output) SizesOf(GptConfig config, LoraProjections projection) => projection switch
    {
        LoraProjections.AttentionIn => (config.EmbeddingSize, 3L * config.EmbeddingSize),
        LoraProjections.AttentionOut => (config.EmbeddingSize, config.EmbeddingSize),
        LoraProjections.FeedForwardIn => (config.EmbeddingSize, config.InnerSize),
        _ => (config.InnerSize, config.EmbeddingSize),
    };
}

using static MLNet.Gpt.GraphBuilder;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>
/// Writes down a GPT's forward pass as an ONNX graph with a key/value cache. B: batch; T: new positions; P: past positions; S = P + T;
/// C: channels; H: heads; D: head size; F: feed-forward width; V: vocabulary.
/// </summary>
/// <remarks>The flow of a GPT stands here; GptGraph.Operators.cs has the operators that it is made of, which depend on where and in which numbers it will be computed.</remarks>
internal sealed partial class GptGraph
{
    /// <summary>The version of ONNX's file format; later ones add nothing that is used here.</summary>
    public const long IrVersion = 10;

    private readonly GptConfig config;
    private readonly OnnxExportOptions options;
    private readonly Dictionary<string, GptParameterInfo> parameters;
    private readonly GraphBuilder graph = new("gpt");
    private readonly Dictionary<string, QuantizedWeight> quantized = [];
    private readonly Dictionary<string, (string A, string B)> adaptable = [];   // the projections with room for adapters beside them
    private bool cached = true;

    private GptGraph(GptConfig config, OnnxExportOptions options, params IEnumerable<GptParameterInfo> more)
    {
        (this.config, this.options, heads) = (config, options, OnnxHead.FormsOf(options.Heads, config));
        parameters = GptParameterLayout.Of(config).Concat(more).ToDictionary(static parameter => parameter.Name);
    }

    /// <summary>Builds the graph.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="options">Valid options.</param>
    public static GraphBuilder Build(GptConfig config, OnnxExportOptions options) =>
        new GptGraph(config, options, HeadedGraphWeights.LayoutOf(config, OnnxHead.FormsOf(options.Heads, config))).Build();

    private GraphBuilder Build()
    {
        // 1. Inputs, as Optimum names them. The last one has a default, so that a caller need not know it.
        string ids = graph.Input(OnnxPackageLayout.InputIds, DataType.Int64, "batch_size", "sequence_length");
        string mask = graph.Input(OnnxPackageLayout.AttentionMask, DataType.Int64, "batch_size", "total_sequence_length");
        string positions = graph.Input(OnnxPackageLayout.PositionIds, DataType.Int64, "batch_size", "sequence_length");
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            graph.Input(OnnxPackageLayout.PastKey(layer), NumberType, "batch_size", config.HeadCount, "past_sequence_length", config.HeadSize);
            graph.Input(OnnxPackageLayout.PastValue(layer), NumberType, "batch_size", config.HeadCount, "past_sequence_length", config.HeadSize);
        }

        string keep = graph.Input(OnnxPackageLayout.LogitsToKeep, DataType.Int64);
        graph.Int64(keep, 0);
        AddAdapterInputs();

        // 2. What each position may see, once for all layers of a kind.
        string allowed = AllowedPositions(ids, mask, out string keys, out string queries);
        string denseBias = Bias("attention.bias", allowed);
        string? bandedBias = null;
        if (config.BandWidthOfLayer(1) is { } width && config.LayerCount > 1 && width < config.ContextLength)
        {
            string oldest = graph.Node("attention.oldest", "Sub", [queries, graph.Int64("attention.band", width)]);       // (T, 1)
            string near = graph.Node("attention.near", "Greater", [keys, oldest]);                                        // (T, S)
            bandedBias = Bias("attention.banded_bias", graph.Node("attention.banded", "And", [allowed, near]));           // (B, 1, T, S)
        }

        graph.SharesCache = SharesCache;
        if (SharesCache) CountPositions(ids);

        // 3. Embedding.
        string tokens = EmbedAllTokens(ids);                                                                              // (B, T, C)
        string places = graph.Node("wpe", "Gather", [Weight(GptParameterLayout.PositionEmbedding), positions]);           // (B, T, C)

        // 4. Blocks.
        string BiasOf(int layer) => config.BandWidthOfLayer(layer) is null ? denseBias : bandedBias ?? denseBias;
        string hidden = config.BlockForm == GptBlockForm.PreNorm ? PreNormBlocks(tokens, places, BiasOf) : PostNormBlocks(tokens, places, BiasOf);

        hidden = FloatOutput(hidden, OnnxPackageLayout.LastHiddenState); // an output that costs nothing where it is not asked for

        // 5. Logits of the last positions; a start of -0 keeps all of them, one before the first is taken as the first.
        string start = graph.Node("logits.start", "Unsqueeze", [graph.Node("logits.minus", "Neg", [keep]), graph.Int64s("axis_0", 0)]);
        string last = graph.Node("logits.hidden", "Slice", [hidden, start, graph.Int64s("end", long.MaxValue), graph.Int64s("axis_1", 1)]);   // (B, T', C)
        FloatOutput(TiedHead(last), OnnxPackageLayout.Logits);                                                            // (B, T', V)
        graph.Output(OnnxPackageLayout.Logits, DataType.Float, "batch_size", "logits_sequence_length", config.VocabularySize);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            graph.Output(OnnxPackageLayout.PresentKey(layer), NumberType, "batch_size", config.HeadCount, "total_sequence_length", config.HeadSize);
            graph.Output(OnnxPackageLayout.PresentValue(layer), NumberType, "batch_size", config.HeadCount, "total_sequence_length", config.HeadSize);
        }

        graph.Output(OnnxPackageLayout.LastHiddenState, DataType.Float, "batch_size", "sequence_length", config.EmbeddingSize);

        // 6. Other heads.
        AddHeads(mask, keys);
        return graph;
    }

    /// <summary>x ← x + Attention(LN₁(x)); x ← x + MLP(LN₂(x)); LN_f at the end (Radford et al. 2019, section 2.3).</summary>
    private string PreNormBlocks(string tokens, string places, Func<int, string> biasOf)
    {
        (string x, string residual) = AddAndNormalize("h.0.ln_1", tokens, places);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            string h = $"h.{layer}.", context = AttentionOf(layer, x, biasOf(layer), ref residual);
            (x, residual) = AddAndNormalize(h + "ln_2", context, residual, h + "attn.c_proj.bias");
            string next = layer + 1 < config.LayerCount ? $"h.{layer + 1}.ln_1" : "ln_f";
            (x, residual) = AddAndNormalize(next, FeedForward(h, x), residual, h + "mlp.c_proj.bias");
        }

        return x;
    }

    /// <summary>x ← LN₁(x + Attention(x)); x ← LN₂(x + MLP(x)) (Radford et al. 2018, section 4.1).</summary>
    private string PostNormBlocks(string tokens, string places, Func<int, string> biasOf)
    {
        string x = graph.Node("embedding", "Add", [tokens, places]);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            string h = $"h.{layer}.", skip = x, context = AttentionOf(layer, x, biasOf(layer), ref skip);
            (x, _) = AddAndNormalize(h + "ln_1", context, skip, h + "attn.c_proj.bias", keepSum: false);
            (x, _) = AddAndNormalize(h + "ln_2", FeedForward(h, x), x, h + "mlp.c_proj.bias", keepSum: false);
        }

        return x;
    }

    /// <summary>The attention of a block; where it is the last before a head, at the head's places alone, and what it is added to with it.</summary>
    private string AttentionOf(int layer, string x, string bias, ref string skip)
    {
        if (cached || layer + 1 < config.LayerCount) return Attention(layer, x, bias);
        skip = AtExtract(skip);
        return AttentionAtExtract(layer, x);
    }

    /// <summary>The attention of a block, up to its output projection's product: the bias is added with the residual sum.</summary>
    private string Attention(int layer, string x, string bias)
    {
        string h = $"h.{layer}.attn.";
        string qkv = Product(h + "c_attn", x, h + "c_attn.bias");                                                         // (B, T, 3C)
        string context = cached && SharesCache ? AttendInPlace(layer, h, qkv, bias) : Attend(layer, h, SplitHeads(h, qkv), bias);   // (B, T, C)
        return Product(h + "c_proj", context);                                                                            // (B, T, C)
    }

    /// <summary>The feed-forward layer of a block, up to its second projection's product.</summary>
    private string FeedForward(string h, string x)
    {
        string active = Activate(h + "mlp.gelu", Product(h + "mlp.c_fc", x), h + "mlp.c_fc.bias");                        // (B, T, F)
        return Product(h + "mlp.c_proj", active);                                                                         // (B, T, C)
    }

    /// <summary>Where a query may look: at itself and before, at what the mask does not hide. (B, 1, T, S), boolean.</summary>
    private string AllowedPositions(string ids, string mask, out string keys, out string queries)
    {
        string zero = graph.Int64("zero", 0), one = graph.Int64("one", 1), axis1 = graph.Int64s("axis_1", 1);
        string total = graph.Node("total_length", "Squeeze", [SizeOfAxis1("total_size", mask)]);                          // S
        string length = graph.Node("length", "Squeeze", [SizeOfAxis1("size", ids)]);                                      // T
        string past = graph.Node("past_length", "Sub", [total, length]);                                                  // P
        keys = graph.Node("attention.keys", "Range", [zero, total, one]);                                                 // (S)
        queries = graph.Node("attention.queries", "Unsqueeze", [graph.Node("attention.query_range", "Range", [past, total, one]), axis1]);   // (T, 1)
        string causal = graph.Node("attention.causal", "LessOrEqual", [keys, queries]);                                   // (T, S)
        string real = graph.Node("attention.real", "Unsqueeze",
            [graph.Node("attention.mask", "Cast", [mask], Attribute("to", (long)DataType.Bool)), graph.Int64s("axes_1_2", 1, 2)]);           // (B, 1, 1, S)
        return graph.Node("attention.allowed", "And", [causal, real]);
    }

    /// <summary>
    /// 0 where a query may look, else the lowest float: added to any score it gives the lowest float again, so that a row that may look nowhere
    /// (padding) becomes an even average and not NaN, as -∞ would. In float16 it is -2¹⁵: no score brings it to -∞.
    /// </summary>
    private string Bias(string name, string allowed) =>
        graph.Node(name, "Where", [allowed, Number("attention.visible", 0f), Number("attention.hidden", NumberType == DataType.Float16 ? -32_768f : float.MinValue)]);

    private string SizeOfAxis1(string name, string value) => graph.Node(name, "Shape", [value], Attribute("start", 1L), Attribute("end", 2L));
}

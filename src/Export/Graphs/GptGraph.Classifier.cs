using static MLNet.Gpt.GraphBuilder;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <content>
/// The graph of a GPT with a head, a task's or a reward model's: the same blocks without a cache, the head at each row's last token. R: rows; T: positions; K: outputs;
/// S: rows whose hidden states are added before the head.
/// </content>
internal sealed partial class GptGraph
{
    private const string Extract = "extract", ExtractBias = "extract.bias";

    private readonly HashSet<string> extracted = [];

    /// <summary>Builds the graph of a model with a task head; the names of its weights are those of <see cref="ClassifierGraphWeights"/>.</summary>
    /// <param name="config">A valid configuration, whose vocabulary does not count the three new tokens.</param>
    /// <param name="head">The head.</param>
    /// <param name="options">Valid options.</param>
    public static GraphBuilder BuildClassifier(GptConfig config, ClassifierHead head, OnnxExportOptions options)
    {
        ArgumentNullException.ThrowIfNull(head);
        return WithHead(ClassifierGraphWeights.Extend(config), options, head.OutputCount, head.SequencesPerOutput);
    }

    /// <summary>Builds the graph of a reward model; the names of its weights are those of <see cref="RewardGraphWeights"/>.</summary>
    /// <param name="config">A valid configuration, whose vocabulary does not count the read-out token.</param>
    /// <param name="head">The head.</param>
    /// <param name="options">Valid options.</param>
    public static GraphBuilder BuildReward(GptConfig config, RewardHead head, OnnxExportOptions options) =>
        WithHead(RewardGraphWeights.Extend(config, head), options, outputs: 1, sequencesPerOutput: 1);

    private static GraphBuilder WithHead(GptConfig extended, OnnxExportOptions options, int outputs, int sequencesPerOutput) => new GptGraph(extended, options,
        new(ClassifierGraphWeights.ScoreWeight, [outputs, extended.EmbeddingSize], GptParameterRole.HeadWeight),
        new GptParameterInfo(ClassifierGraphWeights.ScoreBias, [outputs], GptParameterRole.HeadBias)) { cached = false }.BuildWithHead(outputs, sequencesPerOutput);

    private GraphBuilder BuildWithHead(int outputs, int sequencesPerOutput)
    {
        // 1. Inputs, as Optimum names those of its text classification.
        string ids = graph.Input(OnnxPackageLayout.InputIds, DataType.Int64, "batch_size", "sequence_length");
        string mask = graph.Input(OnnxPackageLayout.AttentionMask, DataType.Int64, "batch_size", "sequence_length");

        // 2. Embedding. Padding is on the right, so that positions are 0, 1, … and no real token sees any of it.
        string length = graph.Node("length", "Squeeze", [SizeOfAxis1("size", ids)]);                                      // T
        string positions = graph.Node("positions", "Range", [graph.Int64("zero", 0), length, graph.Int64("one", 1)]);     // (T)
        string tokens = EmbedTokens(ids);                                                                                 // (R, T, C)
        string places = graph.Node("wpe", "Unsqueeze",
            [graph.Node("wpe.rows", "Gather", [Weight(GptParameterLayout.PositionEmbedding), positions]), graph.Int64s("axis_0", 0)]);       // (1, T, C)

        // 3. Where each row's last token stands: the head reads there, and nothing else of the last block is needed.
        string count = graph.Node("token_count", "ReduceSum", [mask, graph.Int64s("axis_1", 1)], Attribute("keepdims", 1L));  // (R, 1)
        graph.Node(Extract, "Sub", [count, graph.Int64("one", 1)]);                                                       // (R, 1)
        string seen = graph.Node("extract.earlier", "LessOrEqual", [positions, Extract]);                                 // (R, T)
        bool isBanded = config.BandWidthOfLayer(config.LayerCount - 1) < config.ContextLength;
        if (isBanded)
        {
            string oldest = graph.Node("extract.oldest", "Sub", [Extract, graph.Int64("attention.band", config.AttentionBandWidth)]);
            seen = graph.Node("extract.near", "And", [seen, graph.Node("extract.later", "Greater", [positions, oldest])]);
        }

        graph.Node(ExtractBias, "Unsqueeze", [Bias("extract.bias.rows", seen), graph.Int64s("axes_1_2", 1, 2)]);          // (R, 1, 1, T)

        // 4. Blocks.
        string dense = options.Operators == GraphOperators.Standard && config.LayerCount > 1 ? Bias("attention.bias", Causal(positions)) : "";   // else the operator's own
        string banded = config.BandWidthOfLayer(1) is { } width && config.LayerCount > 2 && width < config.ContextLength ? Band(positions, width) : dense;
        string BiasOf(int layer) => config.BandWidthOfLayer(layer) is null ? dense : banded;
        string hidden = config.BlockForm == GptBlockForm.PreNorm ? PreNormBlocks(tokens, places, BiasOf) : PostNormBlocks(tokens, places, BiasOf);

        // 5. The hidden states, summed over the rows that belong together; the linear head.
        string state = graph.Node("extract.hidden", "Squeeze", [hidden, graph.Int64s("axis_1", 1)]);                      // (R, C)
        if (sequencesPerOutput > 1)
        {
            string grouped = graph.Node("extract.groups", "Reshape", [state, graph.Int64s("groups", -1, sequencesPerOutput, config.EmbeddingSize)]);
            state = graph.Node("extract.sum", "ReduceSum", [grouped, graph.Int64s("axis_1", 1)], Attribute("keepdims", 0L));  // (R/S, C)
        }

        FloatOutput(graph.Node("score", "Gemm", [state, Weight(ClassifierGraphWeights.ScoreWeight), Weight(ClassifierGraphWeights.ScoreBias)], Attribute("transB", 1L)), OnnxPackageLayout.Logits);
        graph.Output(OnnxPackageLayout.Logits, DataType.Float, sequencesPerOutput > 1 ? "pair_count" : "batch_size", outputs);
        return graph;
    }

    /// <summary>(R, 1, C): the places that the head reads, of (R, T, C).</summary>
    private string AtExtract(string x) => !extracted.Add(x) ? x + ".extract" : graph.Node(x + ".extract", "Unsqueeze",
        [graph.Node(x + ".extract.rows", "GatherND", [x, Extract], Attribute("batch_dims", 1L)), graph.Int64s("axis_1", 1)]);

    /// <summary>The last block's attention, whose one query of a row stands at its last token; (R, 1, C).</summary>
    private string AttentionAtExtract(int layer, string x)
    {
        string h = $"h.{layer}.attn.";
        long c = config.EmbeddingSize;
        string q = ProductOfColumns(h + "q", h + "c_attn", AtExtract(x), 0, c), kv = ProductOfColumns(h + "kv", h + "c_attn", x, c, 3 * c);   // (R, 1, C), (R, T, 2C)
        graph.Node(h + "split", "Split", "", [kv], [h + "k", h + "v"], Attribute("axis", -1L), Attribute("num_outputs", 2L));
        string context = Attend(layer, h, (q, h + "k", h + "v"), ExtractBias);                                            // (R, 1, C)
        return Product(h + "c_proj", context);
    }

    /// <summary>(T, T): where a query may look, itself and before.</summary>
    private string Causal(string positions) =>
        graph.Node("attention.causal", "LessOrEqual", [positions, graph.Node("attention.causal_queries", "Unsqueeze", [positions, graph.Int64s("axis_1", 1)])]);

    /// <summary>(T, T): 0 for the last <paramref name="width"/> positions up to the query, else the lowest float. ONNX's Attention adds the causal mask; without it, it is in here.</summary>
    private string Band(string positions, int width)
    {
        string queries = graph.Node("attention.queries", "Unsqueeze", [positions, graph.Int64s("axis_1", 1)]);            // (T, 1)
        string oldest = graph.Node("attention.oldest", "Sub", [queries, graph.Int64("attention.band", width)]);           // (T, 1)
        string near = graph.Node("attention.near", "Greater", [positions, oldest]);                                       // (T, T)
        return Bias("attention.banded_bias", options.Operators == GraphOperators.Standard ? graph.Node("attention.banded", "And", ["attention.causal", near]) : near);
    }
}

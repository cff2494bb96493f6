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
    public static GraphBuilder BuildClassifier(GptConfig config, ClassifierHead head)
    {
        ArgumentNullException.ThrowIfNull(head);
        return WithHead(ClassifierGraphWeights.Extend(config), head.OutputCount, head.SequencesPerOutput);
    }

    /// <summary>Builds the graph of a reward model; the names of its weights are those of <see cref="RewardGraphWeights"/>.</summary>
    /// <param name="config">A valid configuration, whose vocabulary does not count the read-out token.</param>
    /// <param name="head">The head.</param>
    public static GraphBuilder BuildReward(GptConfig config, RewardHead head) => WithHead(RewardGraphWeights.Extend(config, head), outputs: 1, sequencesPerOutput: 1);

    private static GraphBuilder WithHead(GptConfig extended, int outputs, int sequencesPerOutput) => new GptGraph(extended,
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
        string tokens = graph.Node("wte", "Gather", [Weight(GptParameterLayout.TokenEmbedding), ids]);                    // (R, T, C)
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
        string banded = config.BandWidthOfLayer(1) is { } width && config.LayerCount > 2 && width < config.ContextLength ? Band(positions, width) : "";
        string BiasOf(int layer) => config.BandWidthOfLayer(layer) is null ? "" : banded;
        string hidden = config.BlockForm == GptBlockForm.PreNorm ? PreNormBlocks(tokens, places, BiasOf) : PostNormBlocks(tokens, places, BiasOf);

        // 5. The hidden states, summed over the rows that belong together; the linear head.
        string state = graph.Node("extract.hidden", "Squeeze", [hidden, graph.Int64s("axis_1", 1)]);                      // (R, C)
        if (sequencesPerOutput > 1)
        {
            string grouped = graph.Node("extract.groups", "Reshape", [state, graph.Int64s("groups", -1, sequencesPerOutput, config.EmbeddingSize)]);
            state = graph.Node("extract.sum", "ReduceSum", [grouped, graph.Int64s("axis_1", 1)], Attribute("keepdims", 0L));  // (R/S, C)
        }

        graph.Node(OnnxPackageLayout.Logits, "Gemm", [state, Weight(ClassifierGraphWeights.ScoreWeight), Weight(ClassifierGraphWeights.ScoreBias)], Attribute("transB", 1L));
        graph.Output(OnnxPackageLayout.Logits, DataType.Float, sequencesPerOutput > 1 ? "pair_count" : "batch_size", outputs);
        return graph;
    }

    /// <summary>(R, 1, C): the places that the head reads, of (R, T, C).</summary>
    private string AtExtract(string x) => !extracted.Add(x) ? x + ".extract" : graph.Node(x + ".extract", "Unsqueeze",
        [graph.Node(x + ".extract.rows", "GatherND", [x, Extract], Attribute("batch_dims", 1L)), graph.Int64s("axis_1", 1)]);

    /// <summary>The last block's attention, whose one query of a row stands at its last token; (R, 1, C). The slices of the weights are folded when the graph is loaded.</summary>
    private string AttentionAtExtract(int layer, string x)
    {
        string h = $"h.{layer}.attn.";
        long c = config.EmbeddingSize;
        string q = Part("q", AtExtract(x), 0, c), kv = Part("kv", x, c, 3 * c);                                           // (R, 1, C), (R, T, 2C)
        graph.Node(h + "split", "Split", "", [kv], [h + "k", h + "v"], Attribute("axis", -1L), Attribute("num_outputs", 2L));
        string context = graph.Node(h + "context", "Attention", [q, h + "k", h + "v", ExtractBias],
            Attribute("q_num_heads", config.HeadCount), Attribute("kv_num_heads", config.HeadCount));                     // (R, 1, C)
        return graph.Node(h + "c_proj", "MatMul", [context, Weight(h + "c_proj.weight")]);

        string Part(string name, string input, long begin, long end)
        {
            string from = graph.Int64s($"columns.{begin}", begin), to = graph.Int64s($"columns.{end}", end), axis = graph.Int64s("axis_last", -1);
            string weight = graph.Node(h + name + ".weight", "Slice", [Weight(h + "c_attn.weight"), from, to, axis]);
            string bias = graph.Node(h + name + ".bias", "Slice", [Weight(h + "c_attn.bias"), from, to, axis]);
            return graph.Node(h + name, "Add", [graph.Node(h + name + ".product", "MatMul", [input, weight]), bias]);
        }
    }

    private string AttendCausally(string h, string q, string bias) => graph.Node(h + "context", "Attention",
        bias.Length > 0 ? [q, h + "k", h + "v", bias] : [q, h + "k", h + "v"],
        Attribute("q_num_heads", config.HeadCount), Attribute("kv_num_heads", config.HeadCount), Attribute("is_causal", 1L));

    /// <summary>(T, T): 0 for the last <paramref name="width"/> positions up to the query, else the lowest float; the operator adds the causal mask.</summary>
    private string Band(string positions, int width)
    {
        string queries = graph.Node("attention.queries", "Unsqueeze", [positions, graph.Int64s("axis_1", 1)]);            // (T, 1)
        string oldest = graph.Node("attention.oldest", "Sub", [queries, graph.Int64("attention.band", width)]);           // (T, 1)
        return Bias("attention.banded_bias", graph.Node("attention.near", "Greater", [positions, oldest]));               // (T, T)
    }
}

using static MLNet.Gpt.GraphBuilder;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <content>
/// Heads beside the language model's, over the same hidden states, each an output of its own. They are float32 whatever the trunk is in, and all of a row's but the values read at its last
/// token, on whichever side the padding stands. S: all positions, past and new.
/// </content>
internal sealed partial class GptGraph
{
    private readonly IReadOnlyList<PackageHead> heads;
    private string newTokens = "";   // (B, T, 1) float32: 1 at tokens, 0 at padding; made for the first head that wants it

    /// <summary>(B, T, C): the vectors of tokens, among them those that heads add behind the vocabulary.</summary>
    private string EmbedAllTokens(string ids)
    {
        if (!parameters.ContainsKey(HeadedGraphWeights.Tokens)) return EmbedTokens(ids);
        string zero = graph.Int64("zero", 0), first = graph.Int64("heads_first_token", config.VocabularySize);
        string added = graph.Node("heads_is_added", "GreaterOrEqual", [ids, first]);                                      // (B, T)
        string own = EmbedTokens(graph.Node("heads_own_ids", "Where", [added, zero, ids]));                               // (B, T, C)
        string more = graph.Node("heads_added_ids", "Where", [added, graph.Node("heads_added_offsets", "Sub", [ids, first]), zero]);
        return graph.Node("heads_embedding", "Where",
            [graph.Node("heads_is_added_column", "Unsqueeze", [added, graph.Int64s("axis_2", 2)]), graph.Node("heads_added", "Gather", [Weight(HeadedGraphWeights.Tokens), more]), own]);
    }

    private void AddHeads(string mask, string keys)
    {
        const string Hidden = OnnxPackageLayout.LastHiddenState;                                                          // (B, T, C)
        if (heads.Count == 0) return;
        string state = LastState(Hidden, mask, keys);                                                                     // (B, C)
        foreach (PackageHead head in heads)
        {
            string name = head.Output + ".";
            string result = head.Kind switch
            {
                OnnxHeadKind.Value => graph.Node(name + "values", "Squeeze",
                    [graph.Node(name + "sum", "Add", [graph.Node(name + "product", "MatMul", [Hidden, HeadWeight(head)]), HeadBias(head)]), graph.Int64s("last_axis", -1)]),
                OnnxHeadKind.Embedding => Embedding(head, name, state, mask),
                _ => graph.Node(name + "score", "Gemm", [state, HeadWeight(head), HeadBias(head)], Attribute("transB", 1L)),
            };
            graph.Rename(result, head.Output);
            if (head.Kind == OnnxHeadKind.Value) graph.Output(head.Output, DataType.Float, "batch_size", "sequence_length");
            else graph.Output(head.Output, DataType.Float, "batch_size", head.OutputsOf(1, config));
        }
    }

    /// <summary>(B, C): each row's hidden state at the last place that the mask shows.</summary>
    private string LastState(string hidden, string mask, string keys)
    {
        string seen = graph.Node("heads_seen", "Mul", [mask, keys]);                                                      // (B, S): the position, or 0
        string last = graph.Node("heads_last", "ReduceMax", [seen, graph.Int64s("axis_1", 1)], Attribute("keepdims", 1L));   // (B, 1)
        string place = graph.Node("heads_place", "Max", [graph.Node("heads_new_place", "Sub", [last, "past_length"]), graph.Int64("zero", 0)]);
        return graph.Node("heads_state", "GatherND", [hidden, place], Attribute("batch_dims", 1L));
    }

    /// <summary>(B, C): a row's pooled hidden states.</summary>
    private string Embedding(PackageHead head, string name, string state, string mask)
    {
        string pooled = head.Pooling == EmbeddingPooling.Mean ? Mean(name, mask) : graph.Node(name + "last", "Identity", [state]);
        if (!head.Normalize) return pooled;
        string length = graph.Node(name + "length", "ReduceL2", [pooled, graph.Int64s("axis_1", 1)], Attribute("keepdims", 1L));   // (B, 1)
        return graph.Node(name + "unit", "Div", [pooled, graph.Node(name + "divisor", "Max", [length, graph.Number("heads_least_length", DataType.Float, 1e-30f)])]);
    }

    private string Mean(string name, string mask)
    {
        string axis1 = graph.Int64s("axis_1", 1);
        if (newTokens.Length == 0)
        {
            string past = graph.Node("heads_past", "Unsqueeze", ["past_length", graph.Int64s("axis_0", 0)]);
            string isNew = graph.Node("heads_new_mask", "Slice", [mask, past, graph.Int64s("end", long.MaxValue), axis1]);   // (B, T)
            newTokens = graph.Node("heads_new_tokens", "Unsqueeze", [graph.Node("heads_new_numbers", "Cast", [isNew], Attribute("to", (long)DataType.Float)), graph.Int64s("axis_2", 2)]);
        }

        string sum = graph.Node(name + "sum", "ReduceSum", [graph.Node(name + "seen", "Mul", [OnnxPackageLayout.LastHiddenState, newTokens]), axis1], Attribute("keepdims", 0L));   // (B, C)
        string count = graph.Node(name + "count", "ReduceSum", [newTokens, axis1], Attribute("keepdims", 0L));            // (B, 1)
        return graph.Node(name + "mean", "Div", [sum, graph.Node(name + "tokens", "Max", [count, graph.Number("heads_one", DataType.Float, 1f)])]);
    }

    private string HeadWeight(PackageHead head) => graph.Weight(parameters[HeadedGraphWeights.WeightOf(head)], DataType.Float);

    private string HeadBias(PackageHead head) => graph.Weight(parameters[HeadedGraphWeights.BiasOf(head)], DataType.Float);
}

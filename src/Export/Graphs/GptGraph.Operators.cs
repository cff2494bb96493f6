using MLNet.Gpt.Onnx;
using static MLNet.Gpt.GraphBuilder;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <content>
/// The operators that a GPT's graph is made of, and the form of its weights. For ONNX Runtime: SkipLayerNormalization (residual sum, bias and normalisation in one pass), FastGelu (bias
/// and GELU-tanh), FusedMatMul (the tied head without a transposed copy in the graph), MatMulNBits and GatherBlockQuantized (quantized matrices), and GroupQueryAttention,
/// which writes new keys and values into the buffer of the past. With them a block has nine nodes, and at one row a node's dispatch is a cost of its own.
/// </content>
internal sealed partial class GptGraph
{
    /// <summary>The first opset with Attention.</summary>
    public const long OpsetVersion = 23;

    /// <summary>The first opset with Gelu.</summary>
    public const long StandardOpsetVersion = 20;

    /// <summary>The number format of activations and of the cache.</summary>
    private DataType NumberType => options.Weights switch
    {
        WeightFormat.Float16 => DataType.Float16,
        WeightFormat.BFloat16 => DataType.Bfloat16,
        _ => DataType.Float,
    };

    private bool IsStandard => options.Operators == GraphOperators.Standard;

    /// <summary>
    /// Whether past and present may share a buffer. In float16 and bfloat16, which are for GPUs, they may not: GroupQueryAttention takes no bias there, and without one neither padding
    /// on the left nor bands can be hidden.
    /// </summary>
    private bool SharesCache => !IsStandard && NumberType == DataType.Float && config.HeadSize % 8 == 0;

    private QuantizationOptions Quantization => options.Quantization ?? new QuantizationOptions();

    private int BlockSize => Quantization.BlockSizeFor(options.Weights, config.EmbeddingSize);

    /// <summary>(B, T, C): the tokens' vectors.</summary>
    private string EmbedTokens(string ids)
    {
        if (Quantized(GptParameterLayout.TokenEmbedding) is not { } table) return graph.Node("wte", "Gather", [Weight(GptParameterLayout.TokenEmbedding), ids]);

        // The head's operator wants the codes of a block as a dimension of their own, this one does not.
        string codes = graph.Node("wte.codes", "Reshape", [table.Codes.Name, graph.Int64s("wte.shape", table.Outputs, -1)]);
        return graph.Contrib("wte", "GatherBlockQuantized", [codes, ids, table.Scales.Name, .. ZeroPoints(table)],
            Attribute("bits", (long)table.Bits), Attribute("block_size", (long)BlockSize), Attribute("gather_axis", 0L), Attribute("quantize_axis", 1L));
    }

    /// <summary>(B, T', V): the output head, which is the token embedding.</summary>
    private string TiedHead(string hidden)
    {
        const string Name = "logits.product";
        if (Quantized(GptParameterLayout.TokenEmbedding) is { } table) return QuantizedProduct(Name, hidden, table, bias: null);
        string wte = Weight(GptParameterLayout.TokenEmbedding);
        if (!IsStandard) return graph.Contrib(Name, "FusedMatMul", [hidden, wte], Attribute("transB", 1L));
        return graph.Node(Name, "MatMul", [hidden, graph.Node("wte.transposed", "Transpose", [wte], Attributes("perm", 1, 0))]);
    }

    /// <summary>x·W, and + b where the bias is named, and what each row's adapter adds, where the graph has room for adapters beside W.</summary>
    private string Product(string name, string x, string? bias = null)
    {
        string product = Quantized(name + ".weight") is { } matrix ? QuantizedProduct(name, x, matrix, bias is null ? null : Weight(bias))
            : bias is null ? graph.Node(name, "MatMul", [x, Weight(name + ".weight")])
            : graph.Node(name + ".sum", "Add", [graph.Node(name, "MatMul", [x, Weight(name + ".weight")]), Weight(bias)]);
        return adaptable.TryGetValue(name, out (string A, string B) adapters) ? graph.Node(name + ".adapted", "Add", [product, AdapterTerm(name + ".lora", x, adapters)]) : product;
    }

    /// <summary>
    /// ((x·Aᵀ) ⊙ s)·B (Hu et al. 2021, equation 3), for all adapters in the batch at once: A and B have their matrices one below the other, and s is 0 at the columns of every adapter that is
    /// not the row's.
    /// </summary>
    private string AdapterTerm(string name, string x, (string A, string B) adapters)
    {
        string narrow = IsStandard
            ? graph.Node(name + ".in", "MatMul", [x, graph.Node(name + ".A_transposed", "Transpose", [adapters.A], Attributes("perm", 1, 0))])
            : graph.Contrib(name + ".in", "FusedMatMul", [x, adapters.A], Attribute("transB", 1L));                       // (B, T, R)
        return graph.Node(name + ".out", "MatMul", [graph.Node(name + ".scaled", "Mul", [narrow, OnnxPackageLayout.AdapterScales]), adapters.B]);
    }

    /// <summary>Leaves room for adapters: inputs that a caller need not know, whose defaults are one adapter of zeros.</summary>
    private void AddAdapterInputs()
    {
        if (options.AdaptableProjections == LoraProjections.None) return;
        graph.Input(OnnxPackageLayout.AdapterScales, NumberType, "adapter_rows", 1, "adapter_rank");
        graph.Zeros(OnnxPackageLayout.AdapterScales, NumberType, 1, 1, 1);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach ((LoraProjections projection, string module) in LoraLayout.Modules)
            {
                if (!options.AdaptableProjections.HasFlag(projection)) continue;
                (long input, long output) = LoraLayout.SizesOf(config, projection);
                string a = graph.Input(OnnxPackageLayout.AdapterIn(layer, module), NumberType, "adapter_rank", input), b = graph.Input(OnnxPackageLayout.AdapterOut(layer, module), NumberType, "adapter_rank", output);
                graph.Zeros(a, NumberType, 1, input);
                graph.Zeros(b, NumberType, 1, output);
                adaptable.Add($"h.{layer}.{module}", (a, b));
            }
        }
    }

    /// <summary>x·W + b for some columns of W; the slices are folded when the graph is loaded.</summary>
    private string ProductOfColumns(string name, string projection, string x, long begin, long end)
    {
        string from = graph.Int64s($"columns.{begin}", begin), to = graph.Int64s($"columns.{end}", end);
        string bias = Slice(name + ".bias", Weight(projection + ".bias"), 0);
        if (Quantized(projection + ".weight") is not { } matrix)
            return graph.Node(name, "Add", [graph.Node(name + ".product", "MatMul", [x, Slice(name + ".weight", Weight(projection + ".weight"), 1)]), bias]);
        List<string> inputs = [x, Slice(name + ".codes", matrix.Codes.Name, 0), Slice(name + ".scales", matrix.Scales.Name, 0)];
        inputs.Add(matrix.ZeroPoints is { } zeroPoints ? Slice(name + ".zero_points", zeroPoints.Name, 0) : "");
        return graph.Contrib(name, "MatMulNBits", [.. inputs, "", bias], ProductAttributes(matrix, end - begin));

        string Slice(string slice, string value, long axis) => graph.Node(slice, "Slice", [value, from, to, graph.Int64s($"axis_{axis}", axis)]);
    }

    /// <summary>Attention over past and new positions, whose keys and values go into the buffer of the past where the caller passes it as the present too.</summary>
    private string AttendInPlace(int layer, string h, string qkv, string bias) => graph.Node(h + "context", "GroupQueryAttention", ContribDomain,
        [qkv, "", "", OnnxPackageLayout.PastKey(layer), OnnxPackageLayout.PastValue(layer), "attention.last_positions", "attention.total", "", "", "", bias],
        [h + "context", OnnxPackageLayout.PresentKey(layer), OnnxPackageLayout.PresentValue(layer)],
        Attribute("num_heads", config.HeadCount), Attribute("kv_num_heads", config.HeadCount));

    /// <summary>What GroupQueryAttention wants to know of lengths: every row has S positions, and the bias hides the padding among them.</summary>
    private void CountPositions(string ids)
    {
        string total = graph.Node("attention.total", "Cast", ["total_length"], Attribute("to", (long)DataType.Int32));    // S
        string rows = graph.Node("row_count", "Shape", [ids], Attribute("start", 0L), Attribute("end", 1L));              // (1): B
        string last = graph.Node("attention.last_position", "Sub", [total, graph.Int32("one_int32", 1)]);
        graph.Node("attention.last_positions", "Expand", [last, rows]);                                                   // (B)
    }

    private (string Q, string K, string V) SplitHeads(string h, string qkv)
    {
        graph.Node(h + "split", "Split", "", [qkv], [h + "q", h + "k", h + "v"], Attribute("axis", -1L), Attribute("num_outputs", 3L));
        return (h + "q", h + "k", h + "v");
    }

    /// <summary>Attention whose present is another tensor than its past, or that has no cache; an empty bias stands for the causal one.</summary>
    private string Attend(int layer, string h, (string Q, string K, string V) heads, string bias)
    {
        if (IsStandard) return AttendStep(layer, h, heads, bias);
        List<string> inputs = [heads.Q, heads.K, heads.V];
        List<string> outputs = [h + "context"];
        if (bias.Length > 0 || cached) inputs.Add(bias);
        if (cached)
        {
            inputs.AddRange(OnnxPackageLayout.PastKey(layer), OnnxPackageLayout.PastValue(layer));
            outputs.AddRange(OnnxPackageLayout.PresentKey(layer), OnnxPackageLayout.PresentValue(layer));
        }

        return graph.Node(h + "context", "Attention", "", inputs, outputs, Attribute("q_num_heads", config.HeadCount), Attribute("kv_num_heads", config.HeadCount),
            Attribute("is_causal", !cached && bias != ExtractBias ? 1L : 0L));
    }

    /// <summary>softmax(Q·Kᵀ / √D + bias)·V for each head, step by step.</summary>
    private string AttendStep(int layer, string h, (string Q, string K, string V) heads, string bias)
    {
        string q = Heads(heads.Q), k = Heads(heads.K), v = Heads(heads.V);                                                // (B, H, T, D)
        if (cached)
        {
            k = graph.Node(OnnxPackageLayout.PresentKey(layer), "Concat", [OnnxPackageLayout.PastKey(layer), k], Attribute("axis", 2L));     // (B, H, S, D)
            v = graph.Node(OnnxPackageLayout.PresentValue(layer), "Concat", [OnnxPackageLayout.PastValue(layer), v], Attribute("axis", 2L));
        }

        string transposed = graph.Node(h + "k_transposed", "Transpose", [k], Attributes("perm", 0, 1, 3, 2));             // (B, H, D, S)
        string scaled = graph.Node(h + "q_scaled", "Mul", [q, Number("attention.scale", 1 / MathF.Sqrt(config.HeadSize))]);
        string scores = graph.Node(h + "scores", "Add", [graph.Node(h + "products", "MatMul", [scaled, transposed]), bias]);   // (B, H, T, S)
        string weights = graph.Node(h + "weights", "Softmax", [scores], Attribute("axis", -1L));
        string context = graph.Node(h + "heads", "Transpose", [graph.Node(h + "head_context", "MatMul", [weights, v])], Attributes("perm", 0, 2, 1, 3));
        return graph.Node(h + "context", "Reshape", [context, graph.Int64s("together", 0, 0, config.EmbeddingSize)]);     // (B, T, C)

        string Heads(string value) => graph.Node(value + ".transposed", "Transpose",
            [graph.Node(value + ".heads", "Reshape", [value, graph.Int64s("apart", 0, 0, config.HeadCount, config.HeadSize)])], Attributes("perm", 0, 2, 1, 3));
    }

    /// <summary>GELU-tanh(x + b).</summary>
    private string Activate(string name, string x, string bias) => IsStandard
        ? graph.Node(name, "Gelu", [graph.Node(name + ".input", "Add", [x, Weight(bias)])], Attribute("approximate", "tanh"))
        : graph.Contrib(name, "FastGelu", [x, Weight(bias)]);

    /// <summary>input + bias + skip, and its layer normalisation.</summary>
    private (string Normalized, string Sum) AddAndNormalize(string name, string input, string skip, string? bias = null, bool keepSum = true)
    {
        AttributeProto epsilon = Attribute("epsilon", config.LayerNormEpsilon);
        if (IsStandard)
        {
            if (bias is not null) input = graph.Node(name + ".input", "Add", [input, Weight(bias)]);
            string both = graph.Node(name + ".sum", "Add", [input, skip]);
            return (graph.Node(name, "LayerNormalization", [both, Weight(name + ".weight"), Weight(name + ".bias")], epsilon), both);
        }

        List<string> inputs = [input, skip, Weight(name + ".weight"), Weight(name + ".bias")];
        if (bias is not null) inputs.Add(Weight(bias));
        string sum = keepSum && name != "ln_f" ? name + ".sum" : "";
        graph.Node(name, "SkipLayerNormalization", ContribDomain, inputs, sum.Length > 0 ? [name, "", "", sum] : [name], epsilon);
        return (name, sum);
    }

    /// <summary>Makes a value an output, in float32 whatever the graph computes in; to be called before anything reads it.</summary>
    /// <returns>The value's name from now on.</returns>
    private string FloatOutput(string value, string name)
    {
        if (NumberType == DataType.Float) return graph.Rename(value, name);
        graph.Node(name, "Cast", [value], Attribute("to", (long)DataType.Float));
        return value;
    }

    private string QuantizedProduct(string name, string x, QuantizedWeight matrix, string? bias)
    {
        List<string> inputs = [x, matrix.Codes.Name, matrix.Scales.Name];
        if (bias is null) inputs.AddRange(ZeroPoints(matrix));
        else inputs.AddRange(matrix.ZeroPoints?.Name ?? "", "", bias);
        return graph.Contrib(name, "MatMulNBits", inputs, ProductAttributes(matrix, matrix.Outputs));
    }

    private AttributeProto[] ProductAttributes(QuantizedWeight matrix, long outputs) =>
    [
        Attribute("K", matrix.Inputs), Attribute("N", outputs), Attribute("bits", (long)matrix.Bits), Attribute("block_size", (long)BlockSize),
        Attribute("accuracy_level", (long)Quantization.AccuracyLevel),
    ];

    private static IEnumerable<string> ZeroPoints(QuantizedWeight matrix) => matrix.ZeroPoints is { } zeroPoints ? [zeroPoints.Name] : [];

    /// <summary>A matrix's quantized form; null where it stays as it is.</summary>
    private QuantizedWeight? Quantized(string name)
    {
        GptParameterInfo parameter = parameters[name];
        if (!options.IsQuantized) return null;
        bool isTable = parameter.Role == GptParameterRole.TokenEmbedding;
        if (isTable && config.EmbeddingSize % BlockSize != 0) return null;
        if (!quantized.TryGetValue(name, out QuantizedWeight? weight))
        {
            int bits = options.Weights == WeightFormat.Int8 ? 8 : 4;
            string? before = isTable && !cached ? null : WeightImportance.NormalizationBefore(parameter, config); // without an output head the table multiplies nothing
            (GptParameterInfo, GptParameterInfo)? normalization = before is null ? null : (parameters[before + ".weight"], parameters[before + ".bias"]);
            weight = new QuantizedWeight(parameter, normalization, isTable ? Quantization.EmbeddingBits ?? bits : bits, BlockSize, Quantization);
            quantized.Add(name, weight);
            graph.Weight(parameter, weight);
        }

        return weight;
    }

    private string Weight(string name) => graph.Weight(parameters[name], NumberType);

    private string Number(string name, float value) => graph.Number(name, NumberType, value);
}

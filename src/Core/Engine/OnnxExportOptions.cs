namespace MLNet.Gpt;

/// <summary>How a model is written as an ONNX package.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The most bytes of weights that <see cref="ExternalDataThresholdBytes"/> allows in one file: protocol buffers end at 2 GiB.</summary>
    public const long LargestEmbeddedBytes = 2_000_000_000;

    /// <summary>The numbers that matrices are kept in. Default <see cref="WeightFormat.Float32"/>.</summary>
    public WeightFormat Weights { get; init; }

    /// <summary>How matrices are quantized; null (the default) for the defaults of <see cref="QuantizationOptions"/>. Only with <see cref="WeightFormat.Int8"/> and <see cref="WeightFormat.Int4"/>.</summary>
    public QuantizationOptions? Quantization { get; init; }

    /// <summary>
    /// The projections beside which the graph leaves room for LoRA adapters that are loaded later, each row with its own (<see cref="IAdaptableModel"/>). <see cref="LoraProjections.None"/> (the default) leaves no room; each projection costs
    /// some nodes a layer, also where no adapter is in use. Language models only.
    /// </summary>
    public LoraProjections AdaptableProjections { get; init; }

    /// <summary>
    /// Heads over the same trunk beside the language model's, each with an output of its own (<see cref="OnnxHead"/>). Empty (the default): none. They must have been trained over the very weights that are written:
    /// a <see cref="TrunkMismatchException"/> names the tensor that differs. Language models only.
    /// </summary>
    public IReadOnlyList<OnnxHead> Heads { get; init; } = [];

    /// <summary>Which operators the graph is made of. Default <see cref="GraphOperators.OnnxRuntime"/>; <see cref="GraphOperators.Standard"/> goes with <see cref="WeightFormat.Float32"/> and <see cref="WeightFormat.Float16"/>.</summary>
    public GraphOperators Operators { get; init; }

    /// <summary>
    /// Weights of more bytes than this go to <c>model.onnx.data</c> beside the graph; 0 puts them there always. Range 0 to
    /// <see cref="LargestEmbeddedBytes"/>. Default 64 MB: a small model is easier to handle as one file; the weights of a larger one are mapped into memory where they lie beside the graph, and
    /// the model loads in half the time (GPT-2 124M: 0.67 s instead of 1.34 s) and with less memory.
    /// </summary>
    public long ExternalDataThresholdBytes { get; init; } = 64_000_000;

    /// <summary>
    /// The hash of the tokenizer that the model was trained with, written to the model's metadata; null (the default) leaves it out, or takes
    /// that of the checkpoint's tokenizer.
    /// </summary>
    public string? TokenizerHash { get; init; }

    /// <summary>
    /// The tokenizer's end-of-text token, written to <c>config.json</c>; null (the default) leaves it out, or takes that of the checkpoint's
    /// tokenizer.
    /// </summary>
    public int? EndOfTextId { get; init; }

    /// <summary>Whether matrices are kept in blocks of 8- or 4-bit numbers.</summary>
    internal bool IsQuantized => Weights is WeightFormat.Int8 or WeightFormat.Int4;

    /// <summary>Checks that nothing is asked for that a model with a head can't give.</summary>
    /// <exception cref="ArgumentException">A value is outside its range, or two don't go together.</exception>
    /// <exception cref="UnsupportedOptionException">Room for adapters or other heads are asked for.</exception>
    internal void ValidateForHead()
    {
        Validate();
        if (Heads.Count > 0)
            throw new UnsupportedOptionException(nameof(Heads), string.Join(", ", Heads.Select(static head => head.Name)), "Heads are written with a language model over their trunk, this one among them; export that.");
        if (AdaptableProjections != LoraProjections.None)
            throw new UnsupportedOptionException(nameof(AdaptableProjections), AdaptableProjections, "A classifier or reward model is exported with its adapter merged; leave it out.");
    }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range, or two don't go together.</exception>
    internal void Validate()
    {
        if (!Enum.IsDefined(Weights)) throw new ArgumentOutOfRangeException(nameof(Weights), Weights, $"{nameof(Weights)} is {(int)Weights}, which is no format; use one of {string.Join(", ", Enum.GetNames<WeightFormat>())}.");
        if (!Enum.IsDefined(Operators)) throw new ArgumentOutOfRangeException(nameof(Operators), Operators, $"{nameof(Operators)} is {(int)Operators}, which is no set of operators; use one of {string.Join(", ", Enum.GetNames<GraphOperators>())}.");
        if (Quantization is not null && !IsQuantized)
            throw new ArgumentException($"{nameof(Quantization)} is given, and {nameof(Weights)} is {Weights}; set it to {WeightFormat.Int8} or {WeightFormat.Int4}, or leave {nameof(Quantization)} null.", nameof(Quantization));
        if (Operators == GraphOperators.Standard && Weights is not (WeightFormat.Float32 or WeightFormat.Float16))
            throw new ArgumentException($"{nameof(Weights)} is {Weights}, which ONNX's basic operators don't compute; use {nameof(GraphOperators)}.{GraphOperators.OnnxRuntime}, or {WeightFormat.Float32}.", nameof(Operators));
        if ((AdaptableProjections & ~LoraProjections.All) != 0)
            throw new ArgumentOutOfRangeException(nameof(AdaptableProjections), AdaptableProjections, $"{nameof(AdaptableProjections)} is {AdaptableProjections}; choose from {LoraProjections.AttentionIn}, {LoraProjections.AttentionOut}, {LoraProjections.FeedForwardIn} and {LoraProjections.FeedForwardOut}.");
        Quantization?.Validate();
        ArgumentNullException.ThrowIfNull(Heads);
        if (Heads.GroupBy(static head => head.Name).FirstOrDefault(static group => group.Count() > 1)?.Key is { } twice)
            throw new ArgumentException($"Two heads have the name '{twice}'; give each one of its own.", nameof(Heads));
        if (ExternalDataThresholdBytes is < 0 or > LargestEmbeddedBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(ExternalDataThresholdBytes), ExternalDataThresholdBytes,
                $"{nameof(ExternalDataThresholdBytes)} is {ExternalDataThresholdBytes}; it must be 0 (weights always beside the graph) to {LargestEmbeddedBytes} (protocol buffers end at 2 GiB).");
        }
    }
}

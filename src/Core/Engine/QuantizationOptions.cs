namespace MLNet.Gpt;

/// <summary>How matrices become 8- or 4-bit numbers (<see cref="WeightFormat.Int8"/>, <see cref="WeightFormat.Int4"/>).</summary>
/// <remarks>
/// Quantized are the matrices of the blocks and the token embedding, which is the output head too; biases, layer normalisations, the position embedding and a task's head stay
/// float32. A token embedding whose width is no multiple of the block size stays float32 as well.
/// </remarks>
public sealed record QuantizationOptions
{
    private static readonly int[] BlockSizes = [128, 64, 32];

    /// <summary>
    /// How many numbers along a matrix's input share a scale: 32 (as llama.cpp's), 64 or 128. Smaller blocks cost 32 / <see cref="BlockSize"/> bits a number and are more exact and slower. Null
    /// (the default) takes 128 for 8-bit matrices, whose rounding is small in any case, and 64 for 4-bit ones, 4.5 bits a number in all; of a model whose width is no multiple of that the next
    /// smaller that it is a multiple of.
    /// </summary>
    public int? BlockSize { get; init; }

    /// <summary>Whether 0 lies in the middle of a block's codes (true, the default) or each block has a zero point of its own (false): more exact where a block's numbers lean to one side, and slower.</summary>
    public bool Symmetric { get; init; } = true;

    /// <summary>
    /// What ONNX Runtime may round the activations to while it multiplies (<c>MatMulNBits</c>): 0 leaves it to ONNX Runtime, 1 float32, 2 float16, 3 bfloat16, 4 (the default) int8 in blocks, by far the
    /// fastest on a CPU. With 4, tokens one at a time and several at once give logits that differ by a few hundredths of their spread, with 1 in their last bits.
    /// </summary>
    public int AccuracyLevel { get; init; } = 4;

    /// <summary>How scales are chosen. Default <see cref="QuantizationMethod.ScaleSearch"/>.</summary>
    public QuantizationMethod Method { get; init; } = QuantizationMethod.ScaleSearch;

    /// <summary>The bits of the token embedding and output head, 4 or 8; null (the default) for those of the other matrices.</summary>
    public int? EmbeddingBits { get; init; }

    /// <summary>The block size of a model's matrices.</summary>
    /// <param name="format"><see cref="WeightFormat.Int8"/> or <see cref="WeightFormat.Int4"/>.</param>
    /// <param name="width">The model's embedding size.</param>
    internal int BlockSizeFor(WeightFormat format, int width) => BlockSize ?? BlockSizes.FirstOrDefault(size => size <= (format == WeightFormat.Int8 ? 128 : 64) && width % size == 0, 32);

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (BlockSize is { } size && !BlockSizes.Contains(size))
            throw new ArgumentOutOfRangeException(nameof(BlockSize), BlockSize, $"{nameof(BlockSize)} is {BlockSize}; it must be 32, 64 or 128, or null for what suits the format and the model.");
        if (AccuracyLevel is < 0 or > 4) throw new ArgumentOutOfRangeException(nameof(AccuracyLevel), AccuracyLevel, $"{nameof(AccuracyLevel)} is {AccuracyLevel}; it must be 0 (ONNX Runtime's choice) to 4 (int8).");
        if (!Enum.IsDefined(Method)) throw new ArgumentOutOfRangeException(nameof(Method), Method, $"{nameof(Method)} is {(int)Method}, which is no method; use one of {string.Join(", ", Enum.GetNames<QuantizationMethod>())}.");
        if (EmbeddingBits is not (null or 4 or 8)) throw new ArgumentOutOfRangeException(nameof(EmbeddingBits), EmbeddingBits, $"{nameof(EmbeddingBits)} is {EmbeddingBits}; it must be 4, 8, or null for the bits of the other matrices.");
    }
}

namespace MLNet.Gpt;

/// <summary>How matrices become 8- or 4-bit numbers (<see cref="WeightFormat.Int8"/>, <see cref="WeightFormat.Int4"/>).</summary>
/// <remarks>
/// Quantized are the matrices of the blocks and the token embedding, which is the output head too; biases, layer normalisations, the position embedding and a task's head stay
/// float32. A token embedding whose width is no multiple of <see cref="BlockSize"/> stays float32 as well.
/// </remarks>
public sealed record QuantizationOptions
{
    /// <summary>How many numbers along a matrix's input share a scale: 32 (the default, as llama.cpp's), 64 or 128. Smaller blocks cost 32 / <see cref="BlockSize"/> bits a number and are more exact.</summary>
    public int BlockSize { get; init; } = 32;

    /// <summary>Whether 0 lies in the middle of a block's codes (true, the default) or each block has a zero point of its own (false): more exact where a block's numbers lean to one side, and slower.</summary>
    public bool Symmetric { get; init; } = true;

    /// <summary>
    /// What ONNX Runtime may round the activations to while it multiplies (<c>MatMulNBits</c>): 0 leaves it to ONNX Runtime, 1 float32, 2 float16, 3 bfloat16, 4 (the default) int8 in blocks, by far the
    /// fastest on a CPU.
    /// </summary>
    public int AccuracyLevel { get; init; } = 4;

    /// <summary>How scales are chosen. Default <see cref="QuantizationMethod.ScaleSearch"/>.</summary>
    public QuantizationMethod Method { get; init; } = QuantizationMethod.ScaleSearch;

    /// <summary>The bits of the token embedding and output head, 4 or 8; null (the default) for those of the other matrices.</summary>
    public int? EmbeddingBits { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (BlockSize is not (32 or 64 or 128)) throw new ArgumentOutOfRangeException(nameof(BlockSize), BlockSize, $"{nameof(BlockSize)} is {BlockSize}; it must be 32, 64 or 128.");
        if (AccuracyLevel is < 0 or > 4) throw new ArgumentOutOfRangeException(nameof(AccuracyLevel), AccuracyLevel, $"{nameof(AccuracyLevel)} is {AccuracyLevel}; it must be 0 (ONNX Runtime's choice) to 4 (int8).");
        if (!Enum.IsDefined(Method)) throw new ArgumentOutOfRangeException(nameof(Method), Method, $"{nameof(Method)} is {(int)Method}, which is no method; use one of {string.Join(", ", Enum.GetNames<QuantizationMethod>())}.");
        if (EmbeddingBits is not (null or 4 or 8)) throw new ArgumentOutOfRangeException(nameof(EmbeddingBits), EmbeddingBits, $"{nameof(EmbeddingBits)} is {EmbeddingBits}; it must be 4, 8, or null for the bits of the other matrices.");
    }
}

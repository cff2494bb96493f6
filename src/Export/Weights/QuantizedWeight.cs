using System.Runtime.InteropServices;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>A matrix stored as blocks of codes, with scales and perhaps zero points behind them; quantized when the codes are written, and kept until the last part is.</summary>
internal sealed class QuantizedWeight
{
    private readonly GptParameterInfo _parameter;
    private readonly (GptParameterInfo Gain, GptParameterInfo Bias)? _normalization;
    private readonly int _blockSize;
    private readonly QuantizationOptions _options;
    private QuantizedMatrix? _matrix;

    /// <param name="parameter">A projection, [in, out], or the token embedding, (V, C).</param>
    /// <param name="normalization">The layer normalisation whose output the matrix multiplies; null where it is another's.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="blockSize">How many numbers share a scale.</param>
    /// <param name="options">Valid options, of which the block size is not asked.</param>
    public QuantizedWeight(GptParameterInfo parameter, (GptParameterInfo Gain, GptParameterInfo Bias)? normalization, int bits, int blockSize, QuantizationOptions options)
    {
        (_parameter, _normalization, _blockSize, _options, Bits) = (parameter, normalization, blockSize, options, bits);
        bool transposed = parameter.Role != GptParameterRole.TokenEmbedding;
        (Inputs, Outputs) = transposed ? (parameter.Shape[0], parameter.Shape[1]) : (parameter.Shape[1], parameter.Shape[0]);
        long blocks = (Inputs + blockSize - 1) / blockSize;
        Codes = new(parameter.Name + "_quantized", DataType.Uint8, [Outputs, blocks, blockSize * bits / 8], (reader, stream) => WritePart(reader, stream, static matrix => matrix.Codes));
        Scales = new(parameter.Name + "_scales", DataType.Float, [Outputs, blocks], (reader, stream) =>
        {
            WritePart(reader, stream, static matrix => MemoryMarshal.AsBytes(matrix.Scales.AsSpan()));
            if (options.Symmetric) _matrix = null;
        });
        ZeroPoints = options.Symmetric ? null : new(parameter.Name + "_zero_points", DataType.Uint8, [Outputs, ((blocks * bits) + 7) / 8], (reader, stream) =>
        {
            WritePart(reader, stream, static matrix => matrix.ZeroPoints);
            _matrix = null;
        });
    }

    /// <summary>Takes a part's bytes.</summary>
    private delegate ReadOnlySpan<byte> Part(QuantizedMatrix matrix);

    /// <summary>K: how many numbers each output sums over.</summary>
    public long Inputs { get; }

    /// <summary>N.</summary>
    public long Outputs { get; }

    /// <summary>The bits of a code.</summary>
    public int Bits { get; }

    public StoredTensor Codes { get; }

    public StoredTensor Scales { get; }

    public StoredTensor? ZeroPoints { get; }

    private void WritePart(WeightReader reader, Stream destination, Part part)
    {
        _matrix ??= Quantize(reader);
        destination.Write(part(_matrix));
    }

    private QuantizedMatrix Quantize(WeightReader reader)
    {
        float[] importance = [];
        if (_normalization is { } normalization && _options.Method == QuantizationMethod.ScaleSearch)
        {
            importance = WeightImportance.Of(reader.Copy(normalization.Gain), reader.Copy(normalization.Bias));
        }

        ReadOnlyMemory<float> numbers = reader.Read(_parameter);
        BlockQuantizer.RequireFinite(_parameter.Name, numbers.Span);
        if (_parameter.Role != GptParameterRole.TokenEmbedding) numbers = BlockQuantizer.Transpose(numbers, (int)Inputs, (int)Outputs);
        return BlockQuantizer.Quantize(numbers, (int)Outputs, importance, Bits, _blockSize, _options);
    }
}

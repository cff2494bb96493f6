using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>A weight stored as floating-point numbers.</summary>
internal static class FloatWeight
{
    private const int ChunkElements = 1 << 22;   // the bytes of a whole weight can be more than a span counts

    /// <summary>A weight in float32, float16 or bfloat16, rounded to the nearest, ties to even.</summary>
    public static StoredTensor Of(GptParameterInfo parameter, DataType type) => new(parameter.Name, type, parameter.Shape, (reader, destination) =>
    {
        Span<float> numbers = reader.Read(parameter).Span;
        ushort[] halves = type == DataType.Float ? [] : new ushort[Math.Min(ChunkElements, numbers.Length)];
        for (int at = 0; at < numbers.Length; at += ChunkElements)
        {
            Span<float> chunk = numbers[at..Math.Min(at + ChunkElements, numbers.Length)];
            if (type == DataType.Float)
            {
                destination.Write(MemoryMarshal.AsBytes(chunk));
                continue;
            }

            Span<ushort> part = halves.AsSpan(0, chunk.Length);
            if (type == DataType.Float16) TensorPrimitives.ConvertToHalf(chunk, MemoryMarshal.Cast<ushort, Half>(part));
            else RoundToBFloat16(chunk, part);
            destination.Write(MemoryMarshal.AsBytes(part));
        }
    });

    /// <summary>The upper halves of float32 numbers, after rounding.</summary>
    internal static void RoundToBFloat16(ReadOnlySpan<float> numbers, Span<ushort> result)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(numbers[i]);
            result[i] = float.IsNaN(numbers[i]) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        }
    }
}

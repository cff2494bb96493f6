using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>A weight stored as floating-point numbers.</summary>
internal static class FloatWeight
{
    private const int ChunkElements = 1 << 22;   // the bytes of a whole weight can be more than a span counts

    private delegate void Rounding(ReadOnlySpan<float> numbers, Span<ushort> result);

    /// <summary>A weight in float32, float16 or bfloat16, rounded to the nearest, ties to even.</summary>
    public static StoredTensor Of(GptParameterInfo parameter, DataType type) => new(parameter.Name, type, parameter.Shape, (reader, destination) =>
    {
        ReadOnlySpan<float> numbers = reader.Read(parameter).Span;
        if (type == DataType.Float) WriteFloats(numbers, destination);
        else if (type == DataType.Float16) WriteHalves(numbers, destination);
        else WriteRounded(numbers, destination, BFloat16.Round);
    });

    /// <summary>Writes float32 numbers.</summary>
    public static void WriteFloats(ReadOnlySpan<float> numbers, Stream destination)
    {
        for (int at = 0; at < numbers.Length; at += ChunkElements)
            destination.Write(MemoryMarshal.AsBytes(numbers[at..Math.Min(at + ChunkElements, numbers.Length)]));
    }

    /// <summary>Writes numbers as float16.</summary>
    public static void WriteHalves(ReadOnlySpan<float> numbers, Stream destination) =>
        WriteRounded(numbers, destination, static (chunk, part) => TensorPrimitives.ConvertToHalf(chunk, MemoryMarshal.Cast<ushort, Half>(part)));

    private static void WriteRounded(ReadOnlySpan<float> numbers, Stream destination, Rounding round)
    {
        var halves = new ushort[Math.Min(ChunkElements, numbers.Length)];
        for (int at = 0; at < numbers.Length; at += ChunkElements)
        {
            ReadOnlySpan<float> chunk = numbers[at..Math.Min(at + ChunkElements, numbers.Length)];
            round(chunk, halves.AsSpan(0, chunk.Length));
            destination.Write(MemoryMarshal.AsBytes(halves.AsSpan(0, chunk.Length)));
        }
    }
}

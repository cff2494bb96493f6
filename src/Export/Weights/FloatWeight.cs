using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>A weight stored as floating-point numbers.</summary>
internal static class FloatWeight
{
    private const int ChunkElements = 1 << 22;   // the bytes of a whole weight can be more than a span counts

    // The least magnitudes that round to infinity.
    private const float BeyondFloat16 = 65_520f, BeyondBFloat16 = 3.3961775e38f;

    private delegate void Rounding(ReadOnlySpan<float> numbers, Span<ushort> result);

    /// <summary>A weight in float32, float16 or bfloat16, rounded to the nearest, ties to even. Writing one whose number would become infinite is an <see cref="ArgumentException"/>.</summary>
    public static StoredTensor Of(GptParameterInfo parameter, DataType type) => new(parameter.Name, type, parameter.Shape, (reader, destination) =>
    {
        ReadOnlySpan<float> numbers = reader.Read(parameter).Span;
        if (type == DataType.Float) WriteFloats(numbers, destination);
        else if (type == DataType.Float16) WriteHalves(parameter.Name, numbers, destination);
        else WriteBFloat16s(parameter.Name, numbers, destination);
    });

    /// <summary>Writes float32 numbers.</summary>
    public static void WriteFloats(ReadOnlySpan<float> numbers, Stream destination)
    {
        for (int at = 0; at < numbers.Length; at += ChunkElements)
            destination.Write(MemoryMarshal.AsBytes(numbers[at..Math.Min(at + ChunkElements, numbers.Length)]));
    }

    /// <summary>Writes numbers as float16.</summary>
    /// <exception cref="ArgumentException">A finite number is too large for it.</exception>
    public static void WriteHalves(string name, ReadOnlySpan<float> numbers, Stream destination)
    {
        RequireBelow(BeyondFloat16, name, numbers, "float16, whose largest number is 65504");
        WriteRounded(numbers, destination, static (chunk, part) => TensorPrimitives.ConvertToHalf(chunk, MemoryMarshal.Cast<ushort, Half>(part)));
    }

    private static void WriteBFloat16s(string name, ReadOnlySpan<float> numbers, Stream destination)
    {
        RequireBelow(BeyondBFloat16, name, numbers, "bfloat16, whose largest number is 3.3895314e38");
        WriteRounded(numbers, destination, BFloat16.Round);
    }

    // A number that was no number before stays what it was.
    private static void RequireBelow(float limit, string name, ReadOnlySpan<float> numbers, string format)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            if (MathF.Abs(numbers[i]) >= limit && float.IsFinite(numbers[i]))
                throw new ArgumentException(FormattableString.Invariant($"'{name}' holds {numbers[i]} at {i}, which is too large for {format}; export the model in another format, such as {WeightFormat.Float32}."));
        }
    }

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

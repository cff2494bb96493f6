using DataType = MLNet.Gpt.Onnx.TensorProto.Types.DataType;

namespace MLNet.Gpt;

/// <summary>A weight as the package's file holds it.</summary>
/// <param name="Name">The initializer's name.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Write">Writes <see cref="ByteCount"/> bytes, little-endian.</param>
internal sealed record StoredTensor(string Name, DataType Type, IReadOnlyList<long> Shape, Action<WeightReader, Stream> Write)
{
    /// <summary>The bytes of its numbers.</summary>
    public long ByteCount => Shape.Aggregate(1L, static (product, size) => product * size) * Type switch
    {
        DataType.Float => 4,
        DataType.Float16 or DataType.Bfloat16 => 2,
        DataType.Uint8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(Type), Type, $"No weight is stored as {Type}."),
    };
}

namespace MLNet.Gpt;

/// <summary>One tensor of a safetensors file: its name, type and shape.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">Its dimensions, each 0 or more; none for a single number. Elements lie row-major.</param>
internal sealed record SafeTensorInfo(string Name, SafeTensorType Type, IReadOnlyList<long> Shape)
{
    /// <summary>The number of elements.</summary>
    /// <exception cref="OverflowException">The dimensions multiply to more than 2^63 - 1.</exception>
    public long ElementCount => Shape.Aggregate(1L, static (product, size) => checked(product * size));

    /// <summary>The bytes of its elements.</summary>
    /// <exception cref="OverflowException">More than 2^63 - 1.</exception>
    public long ByteLength => checked(ElementCount * Type.Size());

    /// <summary>The dimensions and the type as text, e.g. "[768, 2304] F32".</summary>
    public override string ToString() => $"[{string.Join(", ", Shape)}] {Type.Name()}";
}

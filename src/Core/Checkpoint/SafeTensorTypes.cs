namespace MLNet.Gpt;

/// <summary>The names and sizes of the safetensors element types.</summary>
internal static class SafeTensorTypes
{
    private static readonly (SafeTensorType Type, string Name, int Size)[] All =
    [
        (SafeTensorType.Bool, "BOOL", 1), (SafeTensorType.UInt8, "U8", 1), (SafeTensorType.Int8, "I8", 1),
        (SafeTensorType.Float8E5M2, "F8_E5M2", 1), (SafeTensorType.Float8E4M3, "F8_E4M3", 1), (SafeTensorType.Float8E8M0, "F8_E8M0", 1),
        (SafeTensorType.Int16, "I16", 2), (SafeTensorType.UInt16, "U16", 2), (SafeTensorType.Float16, "F16", 2), (SafeTensorType.BFloat16, "BF16", 2),
        (SafeTensorType.Int32, "I32", 4), (SafeTensorType.UInt32, "U32", 4), (SafeTensorType.Float32, "F32", 4),
        (SafeTensorType.Complex64, "C64", 8), (SafeTensorType.Float64, "F64", 8), (SafeTensorType.Int64, "I64", 8), (SafeTensorType.UInt64, "U64", 8),
    ];

    public static string Name(this SafeTensorType type) => Entry(type).Name;

    /// <summary>The bytes of an element.</summary>
    public static int Size(this SafeTensorType type) => Entry(type).Size;

    /// <summary>Whether <see cref="SafeTensorsFile.Read"/> can give the elements as float32.</summary>
    public static bool IsReadableAsSingle(this SafeTensorType type) =>
        type is SafeTensorType.Float32 or SafeTensorType.Float16 or SafeTensorType.BFloat16 or SafeTensorType.Float64;

    public static SafeTensorType? Parse(string name)
    {
        foreach (var entry in All)
        {
            if (entry.Name == name) return entry.Type;
        }

        return null;
    }

    private static (SafeTensorType Type, string Name, int Size) Entry(SafeTensorType type) =>
        (uint)type < (uint)All.Length ? All[(int)type] : throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such element type.");
}

namespace Microsoft.ML.Data;

/// <summary>The primitive type of each .NET type that a column can hold.</summary>
internal static class PrimitiveTypes
{
    private static readonly PrimitiveDataViewType[] _all =
    [
        NumberDataViewType.SByte, NumberDataViewType.Byte, NumberDataViewType.Int16, NumberDataViewType.UInt16,
        NumberDataViewType.Int32, NumberDataViewType.UInt32, NumberDataViewType.Int64, NumberDataViewType.UInt64,
        NumberDataViewType.Single, NumberDataViewType.Double, TextDataViewType.Instance, BooleanDataViewType.Instance,
    ];

    /// <param name="code">1 to 12, in the order of the original's kinds of data.</param>
    public static PrimitiveDataViewType FromCode(byte code) => _all[code - 1];

    public static PrimitiveDataViewType FromRawTypeOrNull(Type rawType) => Array.Find(_all, type => type.RawType == rawType);

    public static byte ToCode(PrimitiveDataViewType type) => (byte)(1 + Array.FindIndex(_all, each => each.RawType == type.RawType));
}

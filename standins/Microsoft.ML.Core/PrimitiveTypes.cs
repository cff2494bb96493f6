namespace Microsoft.ML.Data;

/// <summary>The primitive type of each .NET type that a column can hold.</summary>
internal static class PrimitiveTypes
{
    private static readonly PrimitiveDataViewType[] _all =
    [
        NumberDataViewType.SByte, NumberDataViewType.Byte, NumberDataViewType.Int16, NumberDataViewType.UInt16,
        NumberDataViewType.Int32, NumberDataViewType.UInt32, NumberDataViewType.Int64, NumberDataViewType.UInt64,
        NumberDataViewType.Single, NumberDataViewType.Double, TextDataViewType.Instance, BooleanDataViewType.Instance,
        TimeSpanDataViewType.Instance, DateTimeDataViewType.Instance, DateTimeOffsetDataViewType.Instance, RowIdDataViewType.Instance,
    ];

    public static PrimitiveDataViewType FromKind(DataKind kind) => _all[(int)kind - 1];

    public static PrimitiveDataViewType FromRawTypeOrNull(Type rawType) => Array.Find(_all, type => type.RawType == rawType);

    /// <summary>1 to 15 as in <see cref="DataKind"/>, 16 for row ids.</summary>
    public static byte ToCode(PrimitiveDataViewType type) => (byte)(1 + Array.FindIndex(_all, each => each.RawType == type.RawType));
}

namespace Microsoft.ML.Data;

/// <summary>Reads key columns, whichever number they are kept in.</summary>
internal static class KeyGetters
{
    public static Func<ulong> Create(DataViewRow row, DataViewSchema.Column column) => Type.GetTypeCode(column.Type.RawType) switch
    {
        TypeCode.Byte => As<byte>(row, column, key => key),
        TypeCode.UInt16 => As<ushort>(row, column, key => key),
        TypeCode.UInt32 => As<uint>(row, column, key => key),
        _ => As<ulong>(row, column, key => key),
    };

    private static Func<ulong> As<T>(DataViewRow row, DataViewSchema.Column column, Func<T, ulong> convert)
    {
        var get = row.GetGetter<T>(column);
        T value = default;
        return () =>
        {
            get(ref value);
            return convert(value);
        };
    }
}

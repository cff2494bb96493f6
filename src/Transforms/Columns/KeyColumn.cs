using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Reading columns of ML.NET's keys.</summary>
internal static class KeyColumn
{
    /// <summary>A getter of a row's key, 0 for a missing one, whatever its width.</summary>
    /// <param name="row">The row that is read.</param>
    /// <param name="column">A column of a key type.</param>
    public static Func<ulong> Getter(DataViewRow row, DataViewSchema.Column column)
    {
        Type type = column.Type.RawType;
        if (type == typeof(byte)) return Of<byte>(static key => key);
        if (type == typeof(ushort)) return Of<ushort>(static key => key);
        return type == typeof(uint) ? Of<uint>(static key => key) : Of<ulong>(static key => key);

        Func<ulong> Of<TKey>(Func<TKey, ulong> widen)
        {
            ValueGetter<TKey> getter = row.GetGetter<TKey>(column);
            return () =>
            {
                TKey key = default!;
                getter(ref key);
                return widen(key);
            };
        }
    }
}

using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Columns that tell what belongs together: a prompt's group, a user.</summary>
internal static class IdentityColumn
{
    /// <summary>The types, in words.</summary>
    public const string Types = "a key, text, Int32 or Int64";

    /// <summary>The column of that name.</summary>
    /// <exception cref="ColumnMismatchException">It is missing, or of another type.</exception>
    public static DataViewSchema.Column Find(string name, DataViewSchema schema) => SchemaColumn.Find(schema, name, Types, Is);

    /// <summary>Whether a column of that type may tell it.</summary>
    public static bool Is(DataViewType type) => type is KeyDataViewType or TextDataViewType || type == NumberDataViewType.Int32 || type == NumberDataViewType.Int64;

    /// <summary>A getter of the identity as text; empty for a missing one.</summary>
    public static Func<string> Getter(DataViewRow row, DataViewSchema.Column column)
    {
        if (column.Type is KeyDataViewType)
        {
            Func<ulong> key = KeyColumn.Getter(row, column);
            return () => key() is var value and > 0 ? value.ToString(CultureInfo.InvariantCulture) : "";
        }

        Type type = column.Type.RawType;
        return type == typeof(int) ? Of<int>(static value => value.ToString(CultureInfo.InvariantCulture))
            : type == typeof(long) ? Of<long>(static value => value.ToString(CultureInfo.InvariantCulture))
            : Of<ReadOnlyMemory<char>>(static value => value.ToString());

        Func<string> Of<TValue>(Func<TValue, string> convert)
        {
            ValueGetter<TValue> getter = row.GetGetter<TValue>(column);
            return () =>
            {
                TValue value = default!;
                getter(ref value);
                return convert(value);
            };
        }
    }
}

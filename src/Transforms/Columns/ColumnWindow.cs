using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The values of one column in the rows that a cursor has read ahead; it grows with them.</summary>
internal abstract class ColumnWindow
{
    /// <summary>Makes a window over a column of any type.</summary>
    /// <param name="input">The cursor that is read ahead; the column is active in it.</param>
    /// <param name="column">The column.</param>
    public static ColumnWindow Create(DataViewRow input, DataViewSchema.Column column)
    {
        Type type = column.Type.RawType;
        bool isVector = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>);
        Type window = isVector ? typeof(Vector<>).MakeGenericType(type.GetGenericArguments()) : typeof(Scalar<>).MakeGenericType(type);
        return (ColumnWindow)Activator.CreateInstance(window, BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions, null, [input, column], null)!;
    }

    /// <summary>Takes the value of the input's current row. Slots are filled from 0 on, without gaps; a slot may be filled again.</summary>
    public abstract void Store(int slot);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column's type.</summary>
    /// <param name="current">Gives the slot of the row that the cursor is at.</param>
    public abstract Delegate CreateGetter(Func<int> current);

    private sealed class Scalar<T>(DataViewRow input, DataViewSchema.Column column) : ColumnWindow
    {
        private readonly ValueGetter<T> _get = input.GetGetter<T>(column);
        private readonly List<T> _values = [];

        public override void Store(int slot)
        {
            // A fresh value: what was given out (an image, say) is the reader's now, and a getter may reuse or dispose what it is handed.
            T value = default!;
            _get(ref value);
            if (slot == _values.Count) _values.Add(value);
            else _values[slot] = value;
        }

        public override Delegate CreateGetter(Func<int> current) => (ValueGetter<T>)((ref T value) => value = _values[current()]);
    }

    private sealed class Vector<T>(DataViewRow input, DataViewSchema.Column column) : ColumnWindow
    {
        private readonly ValueGetter<VBuffer<T>> _get = input.GetGetter<VBuffer<T>>(column);
        private readonly List<VBuffer<T>> _values = [];

        public override void Store(int slot)
        {
            if (slot == _values.Count) _values.Add(default);
            _get(ref CollectionsMarshal.AsSpan(_values)[slot]);
        }

        // A copy, since the reader may write into what it gets.
        public override Delegate CreateGetter(Func<int> current) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[current()].CopyTo(ref value));
    }
}

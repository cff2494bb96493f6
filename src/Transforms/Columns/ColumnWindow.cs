using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The values of one column in the rows that a cursor has read ahead.</summary>
internal abstract class ColumnWindow
{
    /// <summary>Makes a window over a column of any type.</summary>
    /// <param name="input">The cursor that is read ahead; the column is active in it.</param>
    /// <param name="column">The column.</param>
    /// <param name="size">The most rows in the window.</param>
    public static ColumnWindow Create(DataViewRow input, DataViewSchema.Column column, int size)
    {
        Type type = column.Type.RawType;
        bool isVector = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>);
        Type window = isVector ? typeof(Vector<>).MakeGenericType(type.GetGenericArguments()) : typeof(Scalar<>).MakeGenericType(type);
        return (ColumnWindow)Activator.CreateInstance(window, BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions, null, [input, column, size], null)!;
    }

    /// <summary>Takes the value of the input's current row.</summary>
    public abstract void Store(int slot);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column's type.</summary>
    /// <param name="current">Gives the slot of the row that the cursor is at.</param>
    public abstract Delegate CreateGetter(Func<int> current);

    private sealed class Scalar<T>(DataViewRow input, DataViewSchema.Column column, int size) : ColumnWindow
    {
        private readonly ValueGetter<T> _get = input.GetGetter<T>(column);
        private readonly T[] _values = new T[size];

        public override void Store(int slot)
        {
            // A fresh value: what was given out (an image, say) is the reader's now, and a getter may reuse or dispose what it is handed.
            T value = default!;
            _get(ref value);
            _values[slot] = value;
        }

        public override Delegate CreateGetter(Func<int> current) => (ValueGetter<T>)((ref T value) => value = _values[current()]);
    }

    private sealed class Vector<T>(DataViewRow input, DataViewSchema.Column column, int size) : ColumnWindow
    {
        private readonly ValueGetter<VBuffer<T>> _get = input.GetGetter<VBuffer<T>>(column);
        private readonly VBuffer<T>[] _values = new VBuffer<T>[size];

        public override void Store(int slot) => _get(ref _values[slot]);

        // A copy, since the reader may write into what it gets.
        public override Delegate CreateGetter(Func<int> current) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[current()].CopyTo(ref value));
    }
}

using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>The columns that a class's members make, and how to read them from one object after another.</summary>
internal sealed class ObjectColumns<TRow> where TRow : class
{
    private readonly SchemaDefinition _definition;

    public ObjectColumns(SchemaDefinition definition)
    {
        _definition = definition ?? SchemaDefinition.Create(typeof(TRow), forWriting: false);
        var schema = new DataViewSchema.Builder();
        foreach (var column in _definition)
            schema.AddColumn(column.Name, column.Type);
        Schema = schema.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public Delegate CreateGetter(int column, Func<TRow> current)
    {
        var member = _definition[column].Member;
        var memberType = SchemaDefinition.TypeOf(member);
        var type = Schema[column].Type;
        if (memberType == typeof(string))
            return TextGetter(member, current);
        if (memberType == typeof(string[]))
            return TextsGetter(member, current);
        if (memberType.IsArray)
            return Generic.Call<Delegate>(ArrayGetter<int>, [memberType.GetElementType()], member, current);
        if (type is VectorDataViewType vector)
            return Generic.Call<Delegate>(VectorGetter<int>, [vector.ItemType.RawType], member, current);
        if (type is KeyDataViewType key)
            return KeyGetter(member, key, current);
        return Generic.Call<Delegate>(ValueGetter<int>, [memberType], member, current);
    }

    private static ValueGetter<T> ValueGetter<T>(MemberInfo member, Func<TRow> current)
    {
        var get = Generic.Getter<TRow, T>(member);
        return (ref T value) => value = get(current());
    }

    private static ValueGetter<ReadOnlyMemory<char>> TextGetter(MemberInfo member, Func<TRow> current)
    {
        var get = Generic.Getter<TRow, string>(member);
        return (ref ReadOnlyMemory<char> value) => value = get(current()).AsMemory();
    }

    private static ValueGetter<VBuffer<ReadOnlyMemory<char>>> TextsGetter(MemberInfo member, Func<TRow> current)
    {
        var get = Generic.Getter<TRow, string[]>(member);
        return (ref VBuffer<ReadOnlyMemory<char>> value) =>
        {
            string[] texts = get(current()) ?? [];
            var editor = VBufferEditor.Create(ref value, texts.Length);
            for (int i = 0; i < texts.Length; i++)
                editor.Values[i] = texts[i].AsMemory();
            value = editor.Commit();
        };
    }

    private static ValueGetter<VBuffer<T>> ArrayGetter<T>(MemberInfo member, Func<TRow> current)
    {
        var get = Generic.Getter<TRow, T[]>(member);
        return (ref VBuffer<T> value) =>
        {
            T[] items = get(current()) ?? [];
            var editor = VBufferEditor.Create(ref value, items.Length);
            items.CopyTo(editor.Values);
            value = editor.Commit();
        };
    }

    private static ValueGetter<VBuffer<T>> VectorGetter<T>(MemberInfo member, Func<TRow> current)
    {
        var get = Generic.Getter<TRow, VBuffer<T>>(member);
        return (ref VBuffer<T> value) => get(current()).CopyTo(ref value);
    }

    // A member counts its keys from 0, and a column from 1: 0 is a column's missing key.
    private static Delegate KeyGetter(MemberInfo member, KeyDataViewType type, Func<TRow> current)
    {
        if (type.RawType == typeof(uint))
        {
            var get = Generic.Getter<TRow, uint>(member);
            return (ValueGetter<uint>)((ref uint value) => value = get(current()) is var key && key < type.Count ? key + 1 : 0);
        }
        if (type.RawType == typeof(ulong))
        {
            var get = Generic.Getter<TRow, ulong>(member);
            return (ValueGetter<ulong>)((ref ulong value) => value = get(current()) is var key && key < type.Count ? key + 1 : 0);
        }
        if (type.RawType == typeof(byte))
        {
            var get = Generic.Getter<TRow, byte>(member);
            return (ValueGetter<byte>)((ref byte value) => value = get(current()) is var key && key < type.Count ? (byte)(key + 1) : (byte)0);
        }
        throw Contracts.Except($"Keys of {type.RawType} can't be read from objects.");
    }
}

/// <summary>A row that shows an object's members.</summary>
internal sealed class ObjectRow<TRow>(ObjectColumns<TRow> columns) : DataViewRow where TRow : class
{
    private readonly Delegate[] _getters = new Delegate[columns.Schema.Count];
    private TRow _current;
    private long _position = -1;

    public override long Position => _position;

    public override long Batch => 0;

    public override DataViewSchema Schema => columns.Schema;

    public void Show(TRow row)
    {
        _current = row;
        _position++;
    }

    public override bool IsColumnActive(DataViewSchema.Column column) => true;

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
        (_getters[column.Index] ??= columns.CreateGetter(column.Index, () => _current)) as ValueGetter<TValue>
            ?? throw Cursors.ExceptType<TValue>(column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = new((ulong)_position, 0);
}

using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>Writes rows into objects, column by column.</summary>
internal sealed class ObjectFiller<TRow> where TRow : class
{
    private readonly List<(MemberInfo Member, int Column)> _columns = [];
    private readonly DataViewSchema _schema;

    public ObjectFiller(DataViewSchema schema, bool ignoreMissingColumns, SchemaDefinition definition)
    {
        _schema = schema;
        foreach (var column in definition ?? SchemaDefinition.Create(typeof(TRow), forWriting: true))
        {
            if (schema.GetColumnOrNull(column.Name) is { } source)
            {
                var member = column.Member;
                var itemType = SchemaDefinition.ItemTypeOf(SchemaDefinition.TypeOf(member), out bool isVector);
                var vector = source.Type as VectorDataViewType;
                Contracts.Check(isVector == vector is not null && itemType == (vector?.ItemType ?? source.Type).RawType,
                    $"Can't bind the IDataView column '{source.Name}' of type '{source.Type}' to field or property '{member.Name}' of type '{SchemaDefinition.TypeOf(member).FullName}'.");
                _columns.Add((member, source.Index));
            }
            else if (!ignoreMissingColumns)
            {
                throw Contracts.ExceptMissingColumn("", column.Name);
            }
        }
    }

    public IEnumerable<DataViewSchema.Column> Columns => _columns.Select(column => _schema[column.Column]).ToArray();

    public Action<TRow> Bind(DataViewRow row)
    {
        Action<TRow>[] setters = [.. _columns.Select(column => CreateSetter(row, _schema[column.Column], column.Member))];
        return target =>
        {
            foreach (var set in setters)
                set(target);
        };
    }

    private static Action<TRow> CreateSetter(DataViewRow row, DataViewSchema.Column column, MemberInfo member)
    {
        var memberType = SchemaDefinition.TypeOf(member);
        if (memberType == typeof(string))
            return TextSetter(row.GetGetter<ReadOnlyMemory<char>>(column), member);
        if (memberType == typeof(string[]))
            return TextsSetter(row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column), member);
        if (memberType.IsArray)
            return Generic.Call<Action<TRow>>(ArraySetter<int>, [memberType.GetElementType()], row, column, member);
        if (column.Type is VectorDataViewType vector)
            return Generic.Call<Action<TRow>>(VectorSetter<int>, [vector.ItemType.RawType], row, column, member);
        return Generic.Call<Action<TRow>>(ValueSetter<int>, [memberType], row, column, member);
    }

    private static Action<TRow> ValueSetter<T>(DataViewRow row, DataViewSchema.Column column, MemberInfo member)
    {
        var get = row.GetGetter<T>(column);
        var set = Generic.Setter<TRow, T>(member);
        T value = default;
        return target =>
        {
            get(ref value);
            set(target, value);
        };
    }

    private static Action<TRow> TextSetter(ValueGetter<ReadOnlyMemory<char>> get, MemberInfo member)
    {
        var set = Generic.Setter<TRow, string>(member);
        ReadOnlyMemory<char> value = default;
        return target =>
        {
            get(ref value);
            set(target, value.ToString());
        };
    }

    private static Action<TRow> TextsSetter(ValueGetter<VBuffer<ReadOnlyMemory<char>>> get, MemberInfo member)
    {
        var set = Generic.Setter<TRow, string[]>(member);
        VBuffer<ReadOnlyMemory<char>> value = default;
        return target =>
        {
            get(ref value);
            set(target, [.. value.DenseValues().Select(text => text.ToString())]);
        };
    }

    // An array or a vector that the object holds already is written over where it fits.
    private static Action<TRow> ArraySetter<T>(DataViewRow row, DataViewSchema.Column column, MemberInfo member)
    {
        var get = row.GetGetter<VBuffer<T>>(column);
        var old = Generic.Getter<TRow, T[]>(member);
        var set = Generic.Setter<TRow, T[]>(member);
        VBuffer<T> value = default;
        return target =>
        {
            get(ref value);
            T[] array = old(target);
            if (array?.Length != value.Length)
                array = new T[value.Length];
            value.CopyTo(array);
            set(target, array);
        };
    }

    private static Action<TRow> VectorSetter<T>(DataViewRow row, DataViewSchema.Column column, MemberInfo member)
    {
        var get = row.GetGetter<VBuffer<T>>(column);
        var old = Generic.Getter<TRow, VBuffer<T>>(member);
        var set = Generic.Setter<TRow, VBuffer<T>>(member);
        return target =>
        {
            VBuffer<T> value = old(target);
            get(ref value);
            set(target, value);
        };
    }
}

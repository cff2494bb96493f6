namespace Microsoft.ML.Data;

/// <summary>The distinct values of a column, each of which is a key, counted from 1.</summary>
internal abstract class KeyTerms
{
    public abstract PrimitiveDataViewType ItemType { get; }

    public abstract int Count { get; }

    public static KeyTerms Create(PrimitiveDataViewType itemType) => Generic.Call<KeyTerms>(Make<int>, [itemType.RawType], itemType);

    /// <summary>Reads a column to its end, or until there are as many terms as may be.</summary>
    public abstract void Learn(IDataView data, DataViewSchema.Column column, int maximum, bool sort);

    public abstract Delegate CreateGetter(DataViewRow row, DataViewSchema.Column column);

    public abstract void AddKeyValues(DataViewSchema.Annotations.Builder annotations);

    public abstract void Write(BinaryWriter writer);

    public abstract void Read(BinaryReader reader);

    private static KeyTerms Make<T>(PrimitiveDataViewType itemType) => new Terms<T>(itemType);

    private sealed class Terms<T>(PrimitiveDataViewType itemType) : KeyTerms
    {
        private readonly List<T> _values = [];
        private readonly Dictionary<T, uint> _keys = new(Comparer());

        public override PrimitiveDataViewType ItemType => itemType;

        public override int Count => _values.Count;

        public override void Learn(IDataView data, DataViewSchema.Column column, int maximum, bool sort)
        {
            using (var cursor = data.GetRowCursor([column]))
            {
                var get = cursor.GetGetter<T>(column);
                T value = default;
                while (_values.Count < maximum && cursor.MoveNext())
                {
                    get(ref value);
                    if (!IsMissing(value))
                        Add(value is ReadOnlyMemory<char> text ? (T)(object)text.ToString().AsMemory() : value);
                }
            }
            if (!sort)
                return;
            if (_values is List<ReadOnlyMemory<char>> texts)
                texts.Sort((a, b) => a.Span.CompareTo(b.Span, StringComparison.Ordinal));
            else
                _values.Sort();
            for (int i = 0; i < _values.Count; i++)
                _keys[_values[i]] = (uint)i + 1;
        }

        public override Delegate CreateGetter(DataViewRow row, DataViewSchema.Column column)
        {
            var get = row.GetGetter<T>(column);
            T value = default;
            return (ValueGetter<uint>)((ref uint key) =>
            {
                get(ref value);
                key = _keys.GetValueOrDefault(value);
            });
        }

        public override void AddKeyValues(DataViewSchema.Annotations.Builder annotations)
        {
            if (_values.Count > 0)
                annotations.Add<VBuffer<T>>("KeyValues", new VectorDataViewType(itemType, _values.Count), (ref VBuffer<T> values) => values = new(_values.Count, [.. _values]));
        }

        public override void Write(BinaryWriter writer)
        {
            writer.Write(_values.Count);
            foreach (var value in _values)
                writer.Write(value is ReadOnlyMemory<char> text ? text.ToString() : ((IFormattable)value).ToString(null, System.Globalization.CultureInfo.InvariantCulture));
        }

        public override void Read(BinaryReader reader)
        {
            int count = reader.ReadInt32();
            for (int i = 0; i < count; i++)
            {
                string text = reader.ReadString();
                Add(typeof(T) == typeof(ReadOnlyMemory<char>) ? (T)(object)text.AsMemory() : (T)Convert.ChangeType(text, typeof(T), System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        private void Add(T value)
        {
            if (_keys.TryAdd(value, (uint)_values.Count + 1))
                _values.Add(value);
        }

        private static bool IsMissing(T value) => value switch
        {
            ReadOnlyMemory<char> text => text.IsEmpty,
            float number => float.IsNaN(number),
            double number => double.IsNaN(number),
            _ => false,
        };

        private static IEqualityComparer<T> Comparer() =>
            typeof(T) == typeof(ReadOnlyMemory<char>) ? (IEqualityComparer<T>)(object)new TextComparer() : EqualityComparer<T>.Default;
    }

    private sealed class TextComparer : IEqualityComparer<ReadOnlyMemory<char>>
    {
        public bool Equals(ReadOnlyMemory<char> x, ReadOnlyMemory<char> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<char> text) => string.GetHashCode(text.Span);
    }
}

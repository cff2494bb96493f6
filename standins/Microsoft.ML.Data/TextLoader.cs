using System.Globalization;
using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>Reads lines of separated fields as rows.</summary>
public sealed class TextLoader
{
    private readonly Column[] _columns;
    private readonly LineFormat _format;
    private readonly DataViewSchema _schema;

    internal TextLoader(Column[] columns, LineFormat format)
    {
        Contracts.CheckValue(columns, nameof(columns));
        _columns = columns;
        _format = format;
        var schema = new DataViewSchema.Builder();
        foreach (var column in columns)
        {
            PrimitiveDataViewType itemType = PrimitiveTypes.FromKind(column.DataKind);
            if (column.KeyCount is ulong count)
                itemType = new KeyDataViewType(itemType.RawType, count);
            schema.AddColumn(column.Name, column.Fields.Length == 1 ? itemType : new VectorDataViewType(itemType, column.Fields.Length));
        }
        _schema = schema.ToSchema();
    }

    internal static Column[] ColumnsOf(Type userType)
    {
        const BindingFlags instance = BindingFlags.Public | BindingFlags.Instance;
        var members = userType.GetFields(instance)
            .Concat<MemberInfo>(userType.GetProperties(instance).Where(property => property.GetGetMethod() is not null && property.GetIndexParameters().Length == 0));
        Column[] columns = [.. members.Select(ColumnOf)];
        Contracts.CheckParam(columns.Length > 0, "TInput", "Should define at least one public, readable field or property in TInput.");
        return columns;
    }

    private static Column ColumnOf(MemberInfo member)
    {
        var load = member.GetCustomAttribute<LoadColumnAttribute>()
            ?? throw Contracts.Except($"{(member is FieldInfo ? "Field" : "Property")} '{member.Name}' is missing the LoadColumnAttribute attribute");
        var memberType = SchemaDefinition.TypeOf(member);
        var rawType = SchemaDefinition.ItemTypeOf(memberType.IsArray ? memberType.GetElementType() : memberType, out _);
        var type = PrimitiveTypes.FromRawTypeOrNull(rawType)
            ?? throw Contracts.Except($"{(member is FieldInfo ? "Field" : "Property")} {member.Name} is of unsupported type.");
        return new(member.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? member.Name, (DataKind)PrimitiveTypes.ToCode(type), load.Fields)
        {
            KeyCount = member.GetCustomAttribute<KeyTypeAttribute>()?.Count,
        };
    }

    internal IDataView LoadFile(string path)
    {
        Contracts.CheckNonEmpty(path, nameof(path));
        Contracts.CheckParam(File.Exists(path), nameof(path), $"File or directory does not exist at path: {path}");
        return new Lines(this, path);
    }

    public sealed class Column
    {
        public Column(string name, DataKind dataKind, int index) : this(name, dataKind, [index]) { }

        public Column(string name, DataKind dataKind, int minIndex, int maxIndex)
            : this(name, dataKind, [.. Enumerable.Range(minIndex, Math.Max(0, maxIndex - minIndex + 1))]) { }

        internal Column(string name, DataKind dataKind, int[] fields)
        {
            Contracts.CheckNonEmpty(name, nameof(name));
            Contracts.CheckParam(fields.Length > 0 && fields.All(field => field >= 0), nameof(fields), "Must specify some source column indices");
            Name = name;
            DataKind = dataKind;
            Fields = fields;
        }

        internal string Name { get; }

        internal DataKind DataKind { get; }

        internal int[] Fields { get; }

        internal ulong? KeyCount { get; init; }
    }

    private sealed class Lines(TextLoader loader, string path) : IDataView
    {
        public bool CanShuffle => false;

        public DataViewSchema Schema => loader._schema;

        public long? GetRowCount() => null;

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
            new Cursor(loader, File.OpenText(path), columnsNeeded);

        public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) =>
            [GetRowCursor(columnsNeeded, rand)];
    }

    private sealed class Cursor(TextLoader loader, StreamReader lines, IEnumerable<DataViewSchema.Column> columnsNeeded)
        : RootCursor(loader._schema, columnsNeeded)
    {
        private readonly List<ReadOnlyMemory<char>> _fields = [];
        private long _line;
        private bool _begun;

        protected override bool MoveNextCore()
        {
            while (lines.ReadLine() is { } line)
            {
                _line++;
                if (line.Length == 0 || line.StartsWith("//", StringComparison.Ordinal) || !_begun && line[0] == '#')
                    continue;
                bool isHeader = !_begun && loader._format.HasHeader;
                _begun = true;
                if (isHeader)
                    continue;
                loader._format.Split(line, _fields);
                return true;
            }
            return false;
        }

        protected override Delegate CreateGetter(int column)
        {
            var type = loader._schema[column].Type;
            return type is VectorDataViewType vector
                ? Generic.Call<Delegate>(VectorGetter<int>, [vector.ItemType.RawType], loader._columns[column], vector.ItemType)
                : Generic.Call<Delegate>(ValueGetter<int>, [type.RawType], loader._columns[column], type);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                lines.Dispose();
            base.Dispose(disposing);
        }

        private ValueGetter<T> ValueGetter<T>(Column column, PrimitiveDataViewType type) =>
            (ref T value) => value = Parse<T>(column, type, column.Fields[0]);

        private ValueGetter<VBuffer<T>> VectorGetter<T>(Column column, PrimitiveDataViewType type) => (ref VBuffer<T> value) =>
        {
            var editor = VBufferEditor.Create(ref value, column.Fields.Length);
            for (int i = 0; i < column.Fields.Length; i++)
                editor.Values[i] = Parse<T>(column, type, column.Fields[i]);
            value = editor.Commit();
        };

        private T Parse<T>(Column column, PrimitiveDataViewType type, int field)
        {
            CheckOnARow();
            var text = field < _fields.Count ? _fields[field] : default;
            if (typeof(T) == typeof(ReadOnlyMemory<char>))
                return (T)(object)text;
            if (text.IsEmpty)
                return default;
            return FieldParser.TryParse(text.Span, type, out object value)
                ? (T)value
                : throw Contracts.ExceptDecode($"Parsing failed with an exception: Could not parse value {text} in line {_line}, column {column.Name}");
        }
    }
}

/// <summary>How a line is cut into fields.</summary>
internal sealed record LineFormat(char Separator, bool HasHeader, bool AllowQuoting, bool TrimWhitespace)
{
    public void Split(string line, List<ReadOnlyMemory<char>> fields)
    {
        fields.Clear();
        var text = TrimWhitespace ? line.AsMemory().TrimEnd() : line.AsMemory();
        for (int at = 0; at <= text.Length; at++)
        {
            while (Separator != ' ' && at < text.Length && text.Span[at] == ' ')
                at++;
            if (AllowQuoting && at < text.Length && text.Span[at] == '"')
            {
                fields.Add(Unquote(text, ref at));
                continue;
            }
            int end = text.Span[at..].IndexOf(Separator);
            end = end < 0 ? text.Length : at + end;
            fields.Add(text[at..end]);
            at = end;
        }
    }

    // Two quotes within quotes stand for one. A field that isn't quoted rightly counts as empty.
    private ReadOnlyMemory<char> Unquote(ReadOnlyMemory<char> text, ref int at)
    {
        var span = text.Span;
        var value = new System.Text.StringBuilder();
        bool closed = false;
        while (++at < span.Length)
        {
            if (span[at] == '"' && (at + 1 == span.Length || span[at + 1] != '"'))
            {
                closed = true;
                at++;
                break;
            }
            if (span[at] == '"')
                at++;
            value.Append(span[at]);
        }
        for (; at < span.Length && span[at] != Separator; at++)
            closed &= span[at] == ' ';
        return closed ? value.ToString().AsMemory() : default;
    }
}

internal static class FieldParser
{
    /// <summary>Real numbers that can't be read are NaN; other types then fail.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, PrimitiveDataViewType type, out object value)
    {
        var culture = CultureInfo.InvariantCulture;
        value = null;
        if (type is KeyDataViewType key)
        {
            // A file counts its keys from 0, and a column from 1.
            if (!ulong.TryParse(text, NumberStyles.None, culture, out ulong number) || number >= key.Count)
                return false;
            value = Convert.ChangeType(number + 1, type.RawType, culture);
            return true;
        }
        if (type == NumberDataViewType.Single)
            value = float.TryParse(text, NumberStyles.Float, culture, out float number) ? number : float.NaN;
        else if (type == NumberDataViewType.Double)
            value = double.TryParse(text, NumberStyles.Float, culture, out double number) ? number : double.NaN;
        else if (type == NumberDataViewType.SByte && sbyte.TryParse(text, NumberStyles.AllowLeadingSign, culture, out sbyte int8))
            value = int8;
        else if (type == NumberDataViewType.Byte && byte.TryParse(text, NumberStyles.None, culture, out byte uint8))
            value = uint8;
        else if (type == NumberDataViewType.Int16 && short.TryParse(text, NumberStyles.AllowLeadingSign, culture, out short int16))
            value = int16;
        else if (type == NumberDataViewType.UInt16 && ushort.TryParse(text, NumberStyles.None, culture, out ushort uint16))
            value = uint16;
        else if (type == NumberDataViewType.Int32 && int.TryParse(text, NumberStyles.AllowLeadingSign, culture, out int int32))
            value = int32;
        else if (type == NumberDataViewType.UInt32 && uint.TryParse(text, NumberStyles.None, culture, out uint uint32))
            value = uint32;
        else if (type == NumberDataViewType.Int64 && long.TryParse(text, NumberStyles.AllowLeadingSign, culture, out long int64))
            value = int64;
        else if (type == NumberDataViewType.UInt64 && ulong.TryParse(text, NumberStyles.None, culture, out ulong uint64))
            value = uint64;
        else if (type == BooleanDataViewType.Instance)
            value = ParseBoolean(text);
        else if (type == TimeSpanDataViewType.Instance && TimeSpan.TryParse(text, culture, out var span))
            value = span;
        else if (type == DateTimeDataViewType.Instance
            && DateTime.TryParse(text, culture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
            value = time;
        else if (type == DateTimeOffsetDataViewType.Instance && DateTimeOffset.TryParse(text, culture, DateTimeStyles.AssumeUniversal, out var offset))
            value = offset;
        return value is not null;
    }

    private static object ParseBoolean(ReadOnlySpan<char> text) => text.ToString().ToLowerInvariant() switch
    {
        "t" or "true" or "y" or "yes" or "1" or "+" or "+1" => true,
        "f" or "false" or "n" or "no" or "0" or "-" or "-1" => false,
        _ => null,
    };
}

using System.Globalization;
using System.Numerics;
using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>A file of lines of separated fields; a class says which fields make its columns.</summary>
internal sealed class TextFile : IDataView
{
    private readonly string _path;
    private readonly LineFormat _format;
    private readonly int[][] _fields;

    public TextFile(string path, Type rowType, LineFormat format)
    {
        Contracts.CheckNonEmpty(path, nameof(path));
        Contracts.CheckParam(File.Exists(path), nameof(path), $"File or directory does not exist at path: {path}");
        _path = path;
        _format = format;

        const BindingFlags instance = BindingFlags.Public | BindingFlags.Instance;
        var properties = rowType.GetProperties(instance).Where(property => property.GetGetMethod() is not null && property.GetIndexParameters().Length == 0);
        MemberInfo[] members = [.. rowType.GetFields(instance), .. properties];
        Contracts.CheckParam(members.Length > 0, "TInput", "Should define at least one public, readable field or property in TInput.");
        _fields = Array.ConvertAll(members, FieldsOf);
        var schema = new DataViewSchema.Builder();
        for (int i = 0; i < members.Length; i++)
            schema.AddColumn(members[i].GetCustomAttribute<ColumnNameAttribute>()?.Name ?? members[i].Name, TypeOf(members[i], _fields[i].Length));
        Schema = schema.ToSchema();
    }

    public bool CanShuffle => false;

    public DataViewSchema Schema { get; }

    public long? GetRowCount() => null;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        new Cursor(this, File.OpenText(_path), columnsNeeded);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private static int[] FieldsOf(MemberInfo member)
    {
        var load = member.GetCustomAttribute<LoadColumnAttribute>()
            ?? throw Contracts.Except($"{member.MemberType} '{member.Name}' is missing the LoadColumnAttribute attribute");
        Contracts.CheckParam(load.Fields.Length > 0 && load.Fields.All(field => field >= 0), "Source", "Must specify some source column indices");
        return load.Fields;
    }

    private static DataViewType TypeOf(MemberInfo member, int fields)
    {
        var memberType = SchemaDefinition.TypeOf(member);
        var rawType = SchemaDefinition.ItemTypeOf(memberType.IsArray ? memberType.GetElementType() : memberType, out _);
        var itemType = PrimitiveTypes.FromRawTypeOrNull(rawType) ?? throw Contracts.Except($"{member.MemberType} {member.Name} is of unsupported type.");
        if (member.GetCustomAttribute<KeyTypeAttribute>() is { } key)
            itemType = new KeyDataViewType(rawType, key.Count);
        return fields == 1 ? itemType : new VectorDataViewType(itemType, fields);
    }

    private sealed class Cursor(TextFile file, StreamReader lines, IEnumerable<DataViewSchema.Column> columnsNeeded)
        : RootCursor(file.Schema, columnsNeeded)
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
                bool isHeader = !_begun && file._format.HasHeader;
                _begun = true;
                if (isHeader)
                    continue;
                file._format.Split(line, _fields);
                return true;
            }
            return false;
        }

        protected override Delegate CreateGetter(int column)
        {
            var type = Schema[column].Type;
            return type is VectorDataViewType vector
                ? Generic.Call<Delegate>(VectorGetter<int>, [vector.ItemType.RawType], file._fields[column], Schema[column], vector.ItemType)
                : Generic.Call<Delegate>(ValueGetter<int>, [type.RawType], file._fields[column], Schema[column], type);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                lines.Dispose();
            base.Dispose(disposing);
        }

        private ValueGetter<T> ValueGetter<T>(int[] fields, DataViewSchema.Column column, PrimitiveDataViewType type) =>
            (ref T value) => value = Parse<T>(fields[0], column, type);

        private ValueGetter<VBuffer<T>> VectorGetter<T>(int[] fields, DataViewSchema.Column column, PrimitiveDataViewType type) =>
            (ref VBuffer<T> value) =>
            {
                var editor = VBufferEditor.Create(ref value, fields.Length);
                for (int i = 0; i < fields.Length; i++)
                    editor.Values[i] = Parse<T>(fields[i], column, type);
                value = editor.Commit();
            };

        private T Parse<T>(int field, DataViewSchema.Column column, PrimitiveDataViewType type)
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
        value = Type.GetTypeCode(type.RawType) switch
        {
            TypeCode.Single => float.TryParse(text, NumberStyles.Float, culture, out float single) ? single : float.NaN,
            TypeCode.Double => double.TryParse(text, NumberStyles.Float, culture, out double number) ? number : double.NaN,
            TypeCode.SByte => ParseInteger<sbyte>(text),
            TypeCode.Byte => ParseInteger<byte>(text),
            TypeCode.Int16 => ParseInteger<short>(text),
            TypeCode.UInt16 => ParseInteger<ushort>(text),
            TypeCode.Int32 => ParseInteger<int>(text),
            TypeCode.UInt32 => ParseInteger<uint>(text),
            TypeCode.Int64 => ParseInteger<long>(text),
            TypeCode.UInt64 => ParseInteger<ulong>(text),
            TypeCode.Boolean => ParseBoolean(text),
            _ => throw new NotSupportedException($"The stand-in can't read {type} from a text file."),
        };
        return value is not null;
    }

    private static object ParseInteger<T>(ReadOnlySpan<char> text) where T : struct, INumber<T> =>
        T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out T value) ? value : null;

    private static object ParseBoolean(ReadOnlySpan<char> text) => text.ToString().ToLowerInvariant() switch
    {
        "t" or "true" or "y" or "yes" or "1" or "+" or "+1" => true,
        "f" or "false" or "n" or "no" or "0" or "-" or "-1" => false,
        _ => null,
    };
}

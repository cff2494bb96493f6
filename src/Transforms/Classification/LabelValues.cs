using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The values that the keys of a label column stand for (its KeyValues annotation), in a form that JSON can hold.</summary>
/// <param name="ItemType">Their type: "Text", "Boolean", "Int32" and so on.</param>
/// <param name="Values">Key 1's value, key 2's and so on, as invariant text.</param>
internal sealed record LabelValues(string ItemType, IReadOnlyList<string> Values)
{
    public const string KeyValues = "KeyValues", SlotNames = "SlotNames";

    private static readonly Codec[] Codecs =
    [
        new Codec<ReadOnlyMemory<char>>("Text", TextDataViewType.Instance, static value => value.ToString(), static text => text.AsMemory()),
        new Codec<bool>("Boolean", BooleanDataViewType.Instance, static value => value ? "True" : "False", bool.Parse),
        Number<sbyte>(NumberDataViewType.SByte),
        Number<byte>(NumberDataViewType.Byte),
        Number<short>(NumberDataViewType.Int16),
        Number<ushort>(NumberDataViewType.UInt16),
        Number<int>(NumberDataViewType.Int32),
        Number<uint>(NumberDataViewType.UInt32),
        Number<long>(NumberDataViewType.Int64),
        Number<ulong>(NumberDataViewType.UInt64),
        Number<float>(NumberDataViewType.Single),
        Number<double>(NumberDataViewType.Double),

        // A local time keeps its clock's reading wherever it is loaded, as in ML.NET's own files, which hold the ticks.
        new Codec<DateTime>("DateTime", DateTimeDataViewType.Instance,
            static value => (value.Kind == DateTimeKind.Local ? DateTime.SpecifyKind(value, DateTimeKind.Unspecified) : value).ToString("O", CultureInfo.InvariantCulture),
            static text => DateTime.ParseExact(text, "O", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)),
    ];

    /// <summary>Values of text.</summary>
    public static LabelValues OfText(IEnumerable<string> values) => new("Text", [.. values]);

    /// <summary>Reads a column's KeyValues; null where it has none.</summary>
    /// <exception cref="ColumnMismatchException">The values are of a type that is not supported.</exception>
    public static LabelValues? Read(DataViewSchema.Column column)
    {
        if (column.Annotations.Schema.GetColumnOrNull(KeyValues) is not { } annotation) return null;
        PrimitiveDataViewType? item = (annotation.Type as VectorDataViewType)?.ItemType;
        Codec codec = Array.Find(Codecs, codec => codec.Type.Equals(item))
            ?? throw new ColumnMismatchException(column.Name, $"a key whose values are one of {string.Join(", ", Codecs.Select(static codec => codec.Name))}", $"values of {annotation.Type}");
        return new(codec.Name, codec.Read(column.Annotations));
    }

    /// <summary>Whether the values are of a type that is supported.</summary>
    public bool IsValid() => Array.Exists(Codecs, codec => codec.Name == ItemType) && Values.Count > 0;

    /// <summary>Adds the values, in their own type, as an annotation.</summary>
    public void AddTo(DataViewSchema.Annotations.Builder builder, string kind) => Array.Find(Codecs, codec => codec.Name == ItemType)!.Add(builder, kind, Values);

    private static Codec<T> Number<T>(NumberDataViewType type)
        where T : ISpanParsable<T>, IFormattable =>
        new(type.RawType.Name, type, static value => value.ToString(null, CultureInfo.InvariantCulture), static text => T.Parse(text, CultureInfo.InvariantCulture));

    private abstract class Codec(string name, PrimitiveDataViewType type)
    {
        public string Name { get; } = name;

        public PrimitiveDataViewType Type { get; } = type;

        public abstract string[] Read(DataViewSchema.Annotations annotations);

        public abstract void Add(DataViewSchema.Annotations.Builder builder, string kind, IReadOnlyList<string> texts);
    }

    private sealed class Codec<T>(string name, PrimitiveDataViewType type, Func<T, string> format, Func<string, T> parse) : Codec(name, type)
    {
        public override string[] Read(DataViewSchema.Annotations annotations)
        {
            VBuffer<T> values = default;
            annotations.GetValue(KeyValues, ref values);
            return [.. values.DenseValues().Select(format)];
        }

        public override void Add(DataViewSchema.Annotations.Builder builder, string kind, IReadOnlyList<string> texts)
        {
            T[] values = [.. texts.Select(parse)];
            builder.Add(kind, new VectorDataViewType(Type, values.Length), (ref VBuffer<T> target) =>
            {
                VBufferEditor<T> editor = VBufferEditor.Create(ref target, values.Length);
                values.CopyTo(editor.Values);
                target = editor.Commit();
            });
        }
    }
}

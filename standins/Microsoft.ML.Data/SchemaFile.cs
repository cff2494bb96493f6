using System.Collections.Immutable;

namespace Microsoft.ML.Data;

/// <summary>
/// Writes and reads the schema that is saved beside a model: names, types and annotations. The original stores it as
/// an empty binary data file; this form is the stand-in's own.
/// </summary>
internal static class SchemaFile
{
    private const uint Magic = 0x53444D4C;
    private const byte Primitive = 0, Key = 1, Vector = 2;

    public static void Write(BinaryWriter writer, DataViewSchema schema)
    {
        writer.Write(Magic);
        WriteColumns(writer, schema);
    }

    public static DataViewSchema Read(BinaryReader reader)
    {
        Contracts.CheckDecode(reader.ReadUInt32() == Magic, "The model's schema isn't in the form that the stand-in writes");
        var builder = new DataViewSchema.Builder();
        for (int count = ReadCount(reader); count > 0; count--)
            builder.AddColumn(reader.ReadString(), ReadType(reader), ReadAnnotations(reader));
        return builder.ToSchema();
    }

    private static void WriteColumns(BinaryWriter writer, DataViewSchema schema)
    {
        writer.Write(schema.Count);
        foreach (var column in schema)
        {
            writer.Write(column.Name);
            WriteType(writer, column.Type);
            writer.Write(column.Annotations.Schema.Count);
            foreach (var annotation in column.Annotations.Schema)
            {
                writer.Write(annotation.Name);
                WriteType(writer, annotation.Type);
                Generic.Call<object>(WriteAnnotation<int>, [ItemTypeOf(annotation.Type)], writer, column.Annotations, annotation);
            }
        }
    }

    private static DataViewSchema.Annotations ReadAnnotations(BinaryReader reader)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        for (int count = ReadCount(reader); count > 0; count--)
        {
            string kind = reader.ReadString();
            var type = ReadType(reader);
            builder.Add(kind, type, Generic.Call<Delegate>(ReadAnnotation<int>, [ItemTypeOf(type)], reader, type));
        }
        return builder.ToAnnotations();
    }

    private static Type ItemTypeOf(DataViewType type) => (type as VectorDataViewType)?.ItemType.RawType ?? type.RawType;

    private static void WriteType(BinaryWriter writer, DataViewType type)
    {
        if (type is VectorDataViewType vector)
        {
            writer.Write(Vector);
            writer.Write(vector.Dimensions.Length);
            foreach (int dimension in vector.Dimensions)
                writer.Write(dimension);
            WriteType(writer, vector.ItemType);
            return;
        }
        writer.Write(type is KeyDataViewType ? Key : Primitive);
        byte code = type is PrimitiveDataViewType primitive ? PrimitiveTypes.ToCode(primitive) : (byte)0;
        Contracts.Check(code != 0, $"A column of type {type} can't be saved with a model's schema");
        writer.Write(code);
        if (type is KeyDataViewType key)
            writer.Write(key.Count);
    }

    private static DataViewType ReadType(BinaryReader reader)
    {
        byte tag = reader.ReadByte();
        if (tag == Vector)
        {
            var dimensions = ImmutableArray.CreateRange(Enumerable.Range(0, ReadCount(reader)).Select(_ => reader.ReadInt32()));
            return new VectorDataViewType((PrimitiveDataViewType)ReadType(reader), dimensions);
        }
        byte code = reader.ReadByte();
        Contracts.CheckDecode(tag is Primitive or Key && code is >= 1 and <= 12, $"There is no column type {tag}/{code}");
        var type = PrimitiveTypes.FromCode(code);
        return tag == Primitive ? type : new KeyDataViewType(type.RawType, reader.ReadUInt64());
    }

    private static object WriteAnnotation<T>(BinaryWriter writer, DataViewSchema.Annotations annotations, DataViewSchema.Column annotation)
    {
        if (annotation.Type is not VectorDataViewType)
        {
            T value = default;
            annotations.GetValue(annotation.Name, ref value);
            WriteValue(writer, value);
            return null;
        }
        VBuffer<T> vector = default;
        annotations.GetValue(annotation.Name, ref vector);
        writer.Write(vector.Length);
        foreach (var value in vector.DenseValues())
            WriteValue(writer, value);
        return null;
    }

    private static Delegate ReadAnnotation<T>(BinaryReader reader, DataViewType type)
    {
        if (type is not VectorDataViewType)
        {
            var value = (T)ReadValue(reader, typeof(T));
            return (ValueGetter<T>)((ref T destination) => destination = value);
        }
        T[] values = [.. Enumerable.Range(0, ReadCount(reader)).Select(_ => (T)ReadValue(reader, typeof(T)))];
        return (ValueGetter<VBuffer<T>>)((ref VBuffer<T> destination) => new VBuffer<T>(values.Length, values).CopyTo(ref destination));
    }

    private static int ReadCount(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        long left = reader.BaseStream.Length - reader.BaseStream.Position;
        Contracts.CheckDecode(count >= 0 && count <= left, $"A schema can't hold {count} items in the {left} bytes that are left");
        return count;
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case bool item: writer.Write(item); break;
            case sbyte item: writer.Write(item); break;
            case byte item: writer.Write(item); break;
            case short item: writer.Write(item); break;
            case ushort item: writer.Write(item); break;
            case int item: writer.Write(item); break;
            case uint item: writer.Write(item); break;
            case long item: writer.Write(item); break;
            case ulong item: writer.Write(item); break;
            case float item: writer.Write(item); break;
            case double item: writer.Write(item); break;
            case ReadOnlyMemory<char> item: writer.Write(item.ToString()); break;
            default: throw Contracts.Except($"An annotation of type {value.GetType()} can't be saved with a model's schema");
        }
    }

    private static object ReadValue(BinaryReader reader, Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.Boolean => reader.ReadBoolean(),
        TypeCode.SByte => reader.ReadSByte(),
        TypeCode.Byte => reader.ReadByte(),
        TypeCode.Int16 => reader.ReadInt16(),
        TypeCode.UInt16 => reader.ReadUInt16(),
        TypeCode.Int32 => reader.ReadInt32(),
        TypeCode.UInt32 => reader.ReadUInt32(),
        TypeCode.Int64 => reader.ReadInt64(),
        TypeCode.UInt64 => reader.ReadUInt64(),
        TypeCode.Single => reader.ReadSingle(),
        TypeCode.Double => reader.ReadDouble(),
        _ when type == typeof(ReadOnlyMemory<char>) => reader.ReadString().AsMemory(),
        _ => throw Contracts.ExceptDecode($"A schema can't hold an annotation of type {type}"),
    };
}

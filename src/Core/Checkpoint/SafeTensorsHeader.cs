using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// The header of a safetensors file: eight bytes of length N (little-endian), N bytes of JSON that give each tensor's dtype,
/// shape and data_offsets, then the data. Everything is checked before anything is used.
/// </summary>
internal sealed class SafeTensorsHeader
{
    /// <summary>The largest N of the reference implementation.</summary>
    public const int MaxLength = 100_000_000;

    public const string Remedy = "Fetch or write the file again.";
    private const string MetadataKey = "__metadata__";

    private readonly string _path;

    private SafeTensorsHeader(string path) => _path = path;

    /// <summary>The tensors in the order of their data, each with where it begins in the file.</summary>
    public List<(SafeTensorInfo Info, long Position)> Tensors { get; } = [];

    public Dictionary<string, string> Metadata { get; } = [];

    /// <exception cref="CorruptFileException">A rule of the format is broken.</exception>
    public static SafeTensorsHeader Read(MappedFile file)
    {
        var header = new SafeTensorsHeader(file.Path);
        if (file.Length < 8) throw header.Corrupt($"it has {file.Length} bytes, fewer than the 8 of the header's length.");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes(0, 8));
        if (length > MaxLength) throw header.Corrupt($"its header is said to have {length} bytes; at most {MaxLength} are allowed.");
        if ((long)length > file.Length - 8) throw header.Corrupt($"its header is said to have {length} bytes; the file has {file.Length}. It is cut short, or no safetensors file.");
        ReadOnlySpan<byte> json = file.Bytes(8, (int)length);
        if (json.IsEmpty || json[0] != '{') throw header.Corrupt("its header doesn't begin with '{'.");
        List<(SafeTensorInfo Info, long Begin, long End)> tensors;
        try
        {
            tensors = header.Parse(json);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is not valid UTF-8.
            throw new CorruptFileException(file.Path, $"its header is no valid JSON ({exception.Message.TrimEnd('.')}).", Remedy, exception);
        }

        header.Place(tensors, 8 + (long)length, file.Length);
        return header;
    }

    /// <summary>The header's bytes, the leading length included: padded with spaces so that the data begins at a multiple of 8, as the reference implementation does.</summary>
    /// <param name="tensors">The tensors in the order of their data.</param>
    /// <param name="metadata">Free-form texts; null writes none.</param>
    /// <param name="maxLength">The most bytes of JSON; for tests, fewer than the format allows.</param>
    /// <exception cref="ArgumentException">There are more.</exception>
    public static byte[] Write(IReadOnlyList<SafeTensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata, int maxLength = MaxLength)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(stackalloc byte[8]);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in metadata.OrderBy(static pair => pair.Key, StringComparer.Ordinal)) json.WriteString(key, value);
                json.WriteEndObject();
            }

            long begin = 0;
            foreach (SafeTensorInfo tensor in tensors)
            {
                long end = checked(begin + tensor.ByteLength);
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.Name());
                json.WriteStartArray("shape");
                foreach (long size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(begin);
                json.WriteNumberValue(end);
                json.WriteEndArray();
                json.WriteEndObject();
                begin = end;
            }

            json.WriteEndObject();
        }

        while (buffer.WrittenCount % 8 != 0) buffer.Write(" "u8);
        if (buffer.WrittenCount - 8 > maxLength) throw new ArgumentException($"The header would have {buffer.WrittenCount - 8} bytes; at most {maxLength} are allowed. Write fewer tensors into a file.", nameof(tensors));
        byte[] bytes = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)bytes.Length - 8);
        return bytes;
    }

    private List<(SafeTensorInfo Info, long Begin, long End)> Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var tensors = new List<(SafeTensorInfo, long, long)>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        reader.Read(); // the '{'
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            if (!names.Add(name)) throw Corrupt($"the name '{name}' appears twice in its header.");
            reader.Read();
            if (name == MetadataKey) ParseMetadata(ref reader);
            else tensors.Add(ParseTensor(ref reader, name));
        }

        reader.Read(); // throws if anything but white space follows
        return tensors;
    }

    private void ParseMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null) return;
        if (reader.TokenType != JsonTokenType.StartObject) throw Corrupt($"its {MetadataKey} is not an object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Corrupt($"'{key}' in its {MetadataKey} is not a string.");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Corrupt($"'{key}' appears twice in its {MetadataKey}.");
        }
    }

    private (SafeTensorInfo Info, long Begin, long End) ParseTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Corrupt($"the entry of tensor '{name}' is not an object.");
        SafeTensorType? type = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when type is null && reader.TokenType == JsonTokenType.String:
                    string typeName = reader.GetString()!;
                    type = SafeTensorTypes.Parse(typeName) ?? throw Corrupt($"tensor '{name}' has the dtype '{typeName}', which is unknown or smaller than a byte.");
                    break;
                case "shape" when shape is null:
                    shape = ParseNumbers(ref reader, name, key);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ParseNumbers(ref reader, name, key);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Corrupt($"'{key}' of tensor '{name}' appears twice, or is of the wrong JSON type.");
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is null) throw Corrupt($"tensor '{name}' lacks its {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}.");
        if (offsets.Count != 2 || offsets[0] > offsets[1]) throw Corrupt($"the data_offsets of tensor '{name}' are [{string.Join(", ", offsets)}]; they must be a begin and an end that is not before it.");
        var info = new SafeTensorInfo(name, type.Value, shape);
        long byteLength;
        try
        {
            byteLength = info.ByteLength;
        }
        catch (OverflowException exception)
        {
            throw new CorruptFileException(_path, $"tensor '{name}' of shape {info} has more bytes than 64 bits can count.", Remedy, exception);
        }

        if (byteLength != offsets[1] - offsets[0]) throw Corrupt($"tensor '{name}' of shape {info} has {byteLength} bytes; its data_offsets [{offsets[0]}, {offsets[1]}] make {offsets[1] - offsets[0]}.");
        return (info, offsets[0], offsets[1]);
    }

    private List<long> ParseNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Corrupt($"'{key}' of tensor '{name}' is not an array.");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw Corrupt($"'{key}' of tensor '{name}' holds something other than whole numbers from 0 to 2^63 - 1.");
            numbers.Add(number);
        }

        return numbers;
    }

    /// <summary>The data must be covered by the tensors exactly: no hole, no overlap, nothing left.</summary>
    private void Place(List<(SafeTensorInfo Info, long Begin, long End)> tensors, long dataPosition, long fileLength)
    {
        tensors.Sort(static (a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        long expected = 0, available = fileLength - dataPosition;
        foreach ((SafeTensorInfo info, long begin, long end) in tensors)
        {
            if (begin != expected) throw Corrupt($"tensor '{info.Name}' begins at byte {begin} of the data, where the one before it ends at {expected}: the tensors {(begin < expected ? "overlap" : "leave a hole")}.");
            if (end > available) throw Corrupt($"tensor '{info.Name}' ends at byte {end} of the data; the file has {available}. It is cut short.");
            Tensors.Add((info, dataPosition + begin));
            expected = end;
        }

        if (expected != available) throw Corrupt($"its tensors take {expected} bytes of data; the file has {available}.");
    }

    private CorruptFileException Corrupt(string problem) => new(_path, problem, Remedy);
}

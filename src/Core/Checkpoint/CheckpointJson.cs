using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Reads the JSON files of a checkpoint folder, and says what is wrong with a value.</summary>
internal sealed class CheckpointJson : IDisposable
{
    public const string Remedy = "Fetch or write the checkpoint again.";
    private const long MaxLength = 64 << 20;

    private readonly JsonDocument _document;

    private CheckpointJson(string path, JsonDocument document) => (Path, _document) = (path, document);

    public string Path { get; }

    public IEnumerable<JsonProperty> Properties => _document.RootElement.EnumerateObject();

    /// <exception cref="CorruptFileException">The file is not one JSON object, or too large.</exception>
    public static CheckpointJson Read(string path)
    {
        long length = new FileInfo(SiblingPath.Resolve(path)).Length;
        if (length > MaxLength) throw new CorruptFileException(path, $"it has {length} bytes; at most {MaxLength} are read.", Remedy);
        return Parse(File.ReadAllBytes(path), path);
    }

    /// <summary>Reads JSON that lies within another file, <paramref name="path"/>.</summary>
    /// <exception cref="CorruptFileException">The text is not one JSON object.</exception>
    public static CheckpointJson Parse(ReadOnlyMemory<byte> json, string path)
    {
        JsonDocument document;
        try
        {
            document = StrictJson.Parse(json);
        }
        catch (JsonException exception)
        {
            throw new CorruptFileException(path, $"it is no valid JSON ({exception.Message.TrimEnd('.')}).", Remedy, exception);
        }

        JsonValueKind kind = document.RootElement.ValueKind;
        if (kind == JsonValueKind.Object) return new(path, document);
        document.Dispose();
        throw new CorruptFileException(path, $"it holds a JSON {kind} where an object is expected.", Remedy);
    }

    /// <summary>A value, or null where it is missing or JSON's null.</summary>
    public JsonElement? Find(string name) =>
        _document.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public int? Int32(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(name, value, "a whole number of 32 bits");

    public float? Single(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number) ? number : throw Wrong(name, value, "a number");

    public string? String(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, value, "a string");

    public bool? Boolean(string name) => Find(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, value, "true or false");

    /// <summary>One of an enumeration's names, which must be there.</summary>
    public TEnum Required<TEnum>(string name)
        where TEnum : struct, Enum =>
        String(name) is { } text && Enum.GetNames<TEnum>().Contains(text) ? Enum.Parse<TEnum>(text) : throw Wrong(name, Find(name), $"one of {string.Join(", ", Enum.GetNames<TEnum>())}");

    public CorruptFileException Wrong(string name, JsonElement? found, string expected) =>
        new(Path, $"'{name}' is {(found is { } value ? Shorten(value.GetRawText()) : "missing")}; it must be {expected}.", Remedy);

    public static string Shorten(string text) => text.Length <= 100 ? text : text[..100] + "…";

    public void Dispose() => _document.Dispose();
}

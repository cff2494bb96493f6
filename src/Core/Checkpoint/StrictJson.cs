using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Reads all JSON of this library, so that every string of it can be read. <see cref="JsonDocument"/> alone finds invalid UTF-8 and halves of surrogate pairs only when a string is asked for.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <summary>Reads a file's bytes; a byte order mark, which some editors write, is passed over.</summary>
    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json) => Parse(json, maxDepth: 0);

    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(string json) => Checked(() => JsonDocument.Parse(json, Options));

    /// <summary>A file's bytes behind its byte order mark, if it has one: <see cref="System.Text.Json"/> takes none.</summary>
    public static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> file) => file.Span.StartsWith(Encoding.UTF8.Preamble) ? file[Encoding.UTF8.Preamble.Length..] : file;

    /// <summary>Reads a value of a type; a byte order mark is passed over.</summary>
    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, a string is no Unicode text, or the JSON is no such value (null neither).</exception>
    public static T Deserialize<T>(ReadOnlyMemory<byte> json, JsonSerializerOptions options)
    {
        using JsonDocument document = Parse(json, options.MaxDepth);
        return Deserialize<T>(document, options);
    }

    /// <exception cref="JsonException">As above.</exception>
    public static T Deserialize<T>(string json, JsonSerializerOptions options)
    {
        using JsonDocument document = Parse(json);
        return Deserialize<T>(document, options);
    }

    // 0 stands for .NET's own depth, 64.
    private static JsonDocument Parse(ReadOnlyMemory<byte> json, int maxDepth) => Checked(() => JsonDocument.Parse(WithoutMark(json), Options with { MaxDepth = maxDepth }));

    private static T Deserialize<T>(JsonDocument document, JsonSerializerOptions options)
    {
        try
        {
            return document.Deserialize<T>(options) ?? throw new JsonException("It is null.");
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or FormatException or OverflowException)
        {
            throw new JsonException($"A value is of another type or outside its range: {exception.Message}", exception);
        }
    }

    private static JsonDocument Checked(Func<JsonDocument> parse)
    {
        JsonDocument? document = null;
        try
        {
            document = parse();
            ReadStrings(document.RootElement);
            return document;
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            document?.Dispose();
            throw new JsonException("A string holds bytes that are no UTF-8, or half of a surrogate pair.", exception);
        }
    }

    private static void ReadStrings(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray()) ReadStrings(item);
                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    ReadStrings(property.Value);
                }

                break;
        }
    }
}

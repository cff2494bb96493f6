using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Reads all JSON of this library, so that every string of it can be read. <see cref="JsonDocument"/> alone finds invalid UTF-8 and halves of surrogate pairs only when a string is asked for.</summary>
internal static class StrictJson
{
    /// <summary>The most objects and lists within each other that are read.</summary>
    public const int MaxDepth = 64;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <summary>Reads a file's bytes; a byte order mark, which some editors write, is passed over.</summary>
    /// <exception cref="JsonDepthException">It is nested more than <see cref="MaxDepth"/> deep.</exception>
    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json) => Parse(json, MaxDepth);

    /// <exception cref="JsonDepthException">It is nested more than <see cref="MaxDepth"/> deep.</exception>
    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(string json) => Checked(() => JsonDocument.Parse(json, Options), () => DepthOf(Encoding.UTF8.GetBytes(json)));

    /// <summary>How many objects and lists stand within each other at most, as far as it is JSON.</summary>
    public static int DepthOf(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        int most = 0;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) most = Math.Max(most, reader.CurrentDepth + 1);
            }
        }
        catch (JsonException)
        {
            // What comes behind is another fault.
        }

        return most;
    }

    /// <summary>A file's bytes behind its byte order mark, if it has one: <see cref="System.Text.Json"/> takes none.</summary>
    public static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> file) => file.Span.StartsWith(Encoding.UTF8.Preamble) ? file[Encoding.UTF8.Preamble.Length..] : file;

    /// <summary>Reads a value of a type; a byte order mark is passed over.</summary>
    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, a string is no Unicode text, or the JSON is no such value (null neither).</exception>
    public static T Deserialize<T>(ReadOnlyMemory<byte> json, JsonSerializerOptions options)
    {
        using JsonDocument document = Parse(json, options.MaxDepth > 0 ? options.MaxDepth : MaxDepth); // 0 stands for .NET's own depth, 64
        return Deserialize<T>(document, options);
    }

    /// <exception cref="JsonException">As above.</exception>
    public static T Deserialize<T>(string json, JsonSerializerOptions options)
    {
        using JsonDocument document = Parse(json);
        return Deserialize<T>(document, options);
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> json, int maxDepth) => Checked(() => JsonDocument.Parse(WithoutMark(json), Options with { MaxDepth = maxDepth }), () => DepthOf(WithoutMark(json).Span), maxDepth);

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

    private static JsonDocument Checked(Func<JsonDocument> parse, Func<int> depth, int maxDepth = MaxDepth)
    {
        JsonDocument? document = null;
        try
        {
            document = parse();
            ReadStrings(document.RootElement);
            return document;
        }
        catch (JsonException exception) when (depth() is var found && found > maxDepth)
        {
            throw new JsonDepthException(found, maxDepth, exception);
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

using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Parses JSON whose every string can be read. <see cref="JsonDocument"/> alone finds invalid UTF-8 and halves of surrogate pairs only when a string is asked for.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json) => Checked(() => JsonDocument.Parse(json, Options));

    /// <exception cref="JsonException">The text is no JSON, a member stands twice in an object, or a string is no Unicode text.</exception>
    public static JsonDocument Parse(string json) => Checked(() => JsonDocument.Parse(json, Options));

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

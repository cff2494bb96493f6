using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Net.Http.Headers;
using ServingApp.Hosting;

namespace ServingApp.OpenAi;

/// <summary>JSON in and out.</summary>
internal static class Json
{
    private const int MaxDepth = 64; // System.Text.Json's

    public static JsonSerializerOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public static string Write(object value) => JsonSerializer.Serialize(value, Options);

    /// <summary>Reads a request's body.</summary>
    /// <exception cref="OpenAiException">It is no JSON, not said to be, or too large.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpRequest request, ServingOptions limits, CancellationToken cancellationToken)
    {
        // A page of somebody else can send anything but this without asking first.
        if (!request.HasJsonContentType()) throw new OpenAiException(415, "invalid_request_error", $"The body's type is '{request.ContentType}'; send 'application/json'.");
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type) && type.Encoding is { } charset and not (UTF8Encoding or ASCIIEncoding))
            throw new OpenAiException(415, "invalid_request_error", $"The body's type is '{request.ContentType}'; send JSON in UTF-8.");
        if (request.Headers.ContentEncoding.ToString() is { Length: > 0 } encoding && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
            throw new OpenAiException(415, "invalid_request_error", $"The body's Content-Encoding is '{encoding}'; send it uncompressed.");
        if (request.ContentLength > limits.MaxRequestBytes) throw TooLarge(limits);
        using var body = new MemoryStream();
        byte[] buffer = new byte[16_384];
        for (int count; (count = await request.Body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (body.Length + count > limits.MaxRequestBytes) throw TooLarge(limits);
            body.Write(buffer, 0, count);
        }

        ReadOnlyMemory<byte> json = body.GetBuffer().AsMemory(0, (int)body.Length);
        if (json.Span.StartsWith(Encoding.UTF8.Preamble)) json = json[Encoding.UTF8.Preamble.Length..]; // some clients write a byte order mark
        JsonDocument? document = null;
        try
        {
            document = JsonDocument.Parse(json);
            ReadTexts(document.RootElement);
            return document;
        }
        catch (JsonException) when (DepthOf(json.Span) is > MaxDepth and int depth)
        {
            throw TooDeep(null, "The body", depth);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            document?.Dispose();
            throw OpenAiException.Invalid(null, $"The body is no valid JSON: {exception.Message}");
        }
    }

    /// <summary>Reads JSON that stands in a member's text.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    /// <exception cref="InvalidOperationException">A text in it is none.</exception>
    /// <exception cref="OpenAiException">It is nested too deep.</exception>
    public static JsonElement Parse(string json, string parameter)
    {
        try
        {
            JsonElement element = JsonElement.Parse(json);
            ReadTexts(element);
            return element;
        }
        catch (JsonException) when (DepthOf(Encoding.UTF8.GetBytes(json)) is > MaxDepth and int depth)
        {
            throw TooDeep(parameter, $"'{parameter}'", depth);
        }
    }

    private static OpenAiException TooDeep(string? parameter, string what, int depth) =>
        OpenAiException.Invalid(parameter, $"{what} is nested {depth} deep; at most {MaxDepth} objects and lists within each other are read.", "nested_too_deep");

    // As far as it is JSON.
    private static int DepthOf(ReadOnlySpan<byte> json)
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

    // That a text is none (half of a surrogate pair, bytes that are no UTF-8) shows only when it is read.
    public static void ReadTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray()) ReadTexts(item);
                break;
            case JsonValueKind.Object:
                foreach (JsonProperty member in element.EnumerateObject())
                {
                    _ = member.Name;
                    ReadTexts(member.Value);
                }

                break;
        }
    }

    private static OpenAiException TooLarge(ServingOptions limits) =>
        new(413, "invalid_request_error", $"The body has more than {limits.MaxRequestBytes} bytes; shorten it.", code: "request_too_large");
}

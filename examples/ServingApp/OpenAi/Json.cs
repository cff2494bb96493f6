using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Net.Http.Headers;
using ServingApp.Hosting;

namespace ServingApp.OpenAi;

/// <summary>JSON in and out.</summary>
internal static class Json
{
    /// <summary>How deep the arguments of a call may be nested, which a model writes as deep as the tool's schema lets it.</summary>
    public const int MostNesting = 1_000;

    public static JsonSerializerOptions Options { get; } = new() { MaxDepth = MostNesting, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

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

        JsonDocument? document = null;
        try
        {
            document = JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
            ReadTexts(document.RootElement);
            return document;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            document?.Dispose();
            throw OpenAiException.Invalid(null, $"The body is no valid JSON: {exception.Message}");
        }
    }

    // That a text is none (half of a surrogate pair, bytes that are no UTF-8) shows only when it is read.
    private static void ReadTexts(JsonElement element)
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

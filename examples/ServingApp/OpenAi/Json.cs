using System.Text.Encodings.Web;
using System.Text.Json;
using ServingApp.Hosting;

namespace ServingApp.OpenAi;

/// <summary>JSON in and out.</summary>
internal static class Json
{
    public static JsonSerializerOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public static string Write(object value) => JsonSerializer.Serialize(value, Options);

    /// <summary>Reads a request's body.</summary>
    /// <exception cref="OpenAiException">It is no JSON, not said to be, or too large.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpRequest request, ServingOptions limits, CancellationToken cancellationToken)
    {
        // A page of somebody else can send anything but this without asking first.
        if (!request.HasJsonContentType()) throw new OpenAiException(415, "invalid_request_error", $"The body's type is '{request.ContentType}'; send 'application/json'.");
        if (request.ContentLength > limits.MaxRequestBytes) throw TooLarge(limits);
        using var body = new MemoryStream();
        byte[] buffer = new byte[16_384];
        for (int count; (count = await request.Body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (body.Length + count > limits.MaxRequestBytes) throw TooLarge(limits);
            body.Write(buffer, 0, count);
        }

        try
        {
            return JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
        }
        catch (JsonException exception)
        {
            throw OpenAiException.Invalid(null, $"The body is no valid JSON: {exception.Message}");
        }
    }

    private static OpenAiException TooLarge(ServingOptions limits) =>
        new(413, "invalid_request_error", $"The body has more than {limits.MaxRequestBytes} bytes; shorten it.", code: "request_too_large");
}

using System.Text.Json;

namespace ServingApp.OpenAi;

/// <summary>Reads <c>response_format</c>, to which answers are held token by token.</summary>
internal static class ResponseFormat
{
    private static readonly JsonElement AnyObject = JsonElement.Parse("""{"type":"object"}""");

    /// <summary>The JSON Schema of the answers; null for text, also where the request does not say.</summary>
    /// <exception cref="OpenAiException">The form is not one that the server knows.</exception>
    public static JsonElement? Read(RequestReader request)
    {
        if (request.Element("response_format") is not { } element) return null;
        var format = new RequestReader(element, "response_format.");
        string type = format.String("type") ?? throw OpenAiException.Invalid("response_format.type", "'response_format.type' is missing; it is 'text', 'json_object' or 'json_schema'.");
        JsonElement? schema = type switch
        {
            "text" => null,
            "json_object" => AnyObject,
            "json_schema" => ReadSchema(format),
            _ => throw OpenAiException.Invalid("response_format.type", $"'response_format.type' is '{type}'; it must be 'text', 'json_object' or 'json_schema'."),
        };
        format.Finish();
        return schema;
    }

    private static JsonElement ReadSchema(RequestReader format)
    {
        if (format.Element("json_schema") is not { } json) throw OpenAiException.Invalid("response_format.json_schema", "'response_format.json_schema' is missing; give a name and a schema.");
        var schema = new RequestReader(json, "response_format.json_schema.");
        _ = schema.String("name"); // what it is called, and what it is for, have no bearing on its form
        _ = schema.String("description");
        _ = schema.Boolean("strict"); // answers always are
        JsonElement body = schema.Element("schema") ?? throw OpenAiException.Invalid("response_format.json_schema.schema", "'response_format.json_schema.schema' is missing; give a JSON Schema.");
        schema.Finish();
        return body;
    }
}

using System.Text.Json;
using MLNet.Gpt;

namespace ServingApp.OpenAi;

/// <summary>The member <c>response_format</c>: free text, any JSON object, or JSON of a schema. Answers are held to it token by token.</summary>
internal static class ResponseFormat
{
    /// <summary>What answers are held to; null for free text.</summary>
    /// <exception cref="OpenAiException">The format is unknown.</exception>
    /// <exception cref="ConstraintException">The schema is not valid, or uses what is not supported.</exception>
    public static ITokenConstraint? Read(RequestReader request, GptTokenizer tokenizer)
    {
        if (request.Element("response_format") is not { } json) return null;
        var format = new RequestReader(json, "response_format.");
        string? type = format.String("type");
        TextConstraint? constraint = type switch
        {
            "text" => null,
            "json_object" => TextConstraint.JsonObject(),
            "json_schema" => Schema(format),
            _ => throw OpenAiException.Invalid("response_format.type", $"'response_format.type' is '{type}'; it must be 'text', 'json_object' or 'json_schema'."),
        };
        format.Finish();
        return constraint?.Compile(tokenizer); // once for each schema: the library keeps it
    }

    private static TextConstraint Schema(RequestReader format)
    {
        if (format.Element("json_schema") is not { } json) throw OpenAiException.Invalid("response_format.json_schema", "'response_format.json_schema' is missing; give a name and a schema.");
        var schema = new RequestReader(json, "response_format.json_schema.");
        _ = schema.String("name"); // what it is called, and what it is for, have no bearing on its form
        _ = schema.String("description");
        _ = schema.Boolean("strict"); // answers always are
        JsonElement body = schema.Element("schema") ?? throw OpenAiException.Invalid("response_format.json_schema.schema", "'response_format.json_schema.schema' is missing; give a JSON Schema.");
        schema.Finish();
        return TextConstraint.JsonSchema(body.GetRawText());
    }
}

using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ServingApp.OpenAi;

/// <summary>Reads <c>messages</c>: what the system, the user and the assistant said, the assistant's calls of tools, and their results.</summary>
internal static class MessageReader
{
    private const string Roles = "'system', 'developer', 'user', 'assistant' or 'tool'";

    /// <exception cref="OpenAiException">A message is wrong, or has content that the model can't read.</exception>
    public static IReadOnlyList<ChatMessage> Read(RequestReader request)
    {
        if (request.Element("messages") is not { } messages) throw OpenAiException.Invalid("messages", "The request has no 'messages'; give the conversation.");
        if (messages.ValueKind != JsonValueKind.Array) throw request.Wrong("messages", messages, "a list of messages");
        var read = new List<ChatMessage>();
        var calls = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonElement json in messages.EnumerateArray())
        {
            string path = $"messages[{read.Count}].";
            var message = new RequestReader(json, path);
            string role = message.String("role") ?? throw OpenAiException.Invalid(path + "role", $"'{path}role' is missing; it is {Roles}.");
            read.Add(role switch
            {
                "system" or "developer" => new(ChatRole.System, ReadContent(message, path)),
                "user" => new(ChatRole.User, ReadContent(message, path)),
                "assistant" => ReadAssistant(message, path, calls),
                "tool" => ReadResult(message, path, calls),
                _ => throw OpenAiException.Invalid(path + "role", $"'{path}role' is '{role}'; it must be {Roles}."),
            });
            _ = message.String("name"); // clients send an agent's with what it said; a chat template has no place for it
            message.Refuse("tool_calls", "Only the assistant calls tools.", "[]");
            message.Refuse("annotations", "Leave it out.", "[]");
            message.Finish();
        }

        return read;
    }

    private static ChatMessage ReadAssistant(RequestReader message, string path, HashSet<string> calls)
    {
        List<AIContent> contents = [];
        if (message.Element("tool_calls") is { } list)
        {
            if (list.ValueKind != JsonValueKind.Array) throw message.Wrong("tool_calls", list, "a list of calls");
            foreach (JsonElement json in list.EnumerateArray()) contents.Add(ReadCall(json, $"{path}tool_calls[{contents.Count}].", calls));
        }

        if (contents.Count == 0) return new(ChatRole.Assistant, ReadContent(message, path));
        return message.Element("content") is { } content ? new(ChatRole.Assistant, [new TextContent(TextOf(message, content, path)), .. contents]) : new(ChatRole.Assistant, contents);
    }

    private static FunctionCallContent ReadCall(JsonElement json, string path, HashSet<string> calls)
    {
        var call = new RequestReader(json, path);
        string id = call.String("id") ?? throw OpenAiException.Invalid(path + "id", $"'{path}id' is missing; give the id that the answer had.");
        call.RequireFunction();
        _ = call.Integer("index", 0, int.MaxValue); // of a stream's piece, which clients put together and send back
        var function = new RequestReader(call.Element("function") ?? throw OpenAiException.Invalid(path + "function", $"'{path}function' is missing; give the name and the arguments."), path + "function.");
        call.Finish();
        string name = function.String("name") ?? throw OpenAiException.Invalid(path + "function.name", $"'{path}function.name' is missing; give the tool's name.");
        string arguments = function.String("arguments") is { Length: > 0 } given ? given : "{}"; // OpenAI's own models write none for a tool that takes none
        function.Finish();
        calls.Add(id);
        try
        {
            return new(id, name, Json.Parse(arguments, path + "function.arguments").EnumerateObject().ToDictionary(static member => member.Name, static member => (object?)member.Value));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw OpenAiException.Invalid(path + "function.arguments", $"'{path}function.arguments' is no JSON object with members of different names: {exception.Message}");
        }
    }

    private static ChatMessage ReadResult(RequestReader message, string path, HashSet<string> calls)
    {
        string id = message.String("tool_call_id") ?? throw OpenAiException.Invalid(path + "tool_call_id", $"'{path}tool_call_id' is missing; give the id of the call whose result this is.");
        if (!calls.Contains(id)) throw OpenAiException.Invalid(path + "tool_call_id", $"'{path}tool_call_id' is '{id}', which none of the assistant's calls before it has.");
        return new(ChatRole.Tool, [new FunctionResultContent(id, JsonOrText(ReadContent(message, path)))]);
    }

    // Clients send a result as a text, and one that is no text as its JSON: it stands in the conversation as it is.
    private static object JsonOrText(string text)
    {
        try
        {
            JsonElement element = JsonElement.Parse(text);
            Json.ReadTexts(element);
            return element;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return text;
        }
    }

    private static string ReadContent(RequestReader message, string path) =>
        TextOf(message, message.Element("content") ?? throw OpenAiException.Invalid(path + "content", $"'{path}content' is missing; give a text."), path);

    // A string, or a list of parts that are text.
    private static string TextOf(RequestReader message, JsonElement content, string path)
    {
        if (content.ValueKind == JsonValueKind.String) return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array) throw message.Wrong("content", content, "a string, or a list of parts of the type 'text'");
        var texts = new List<string>();
        foreach (JsonElement json in content.EnumerateArray())
        {
            string place = $"{path}content[{texts.Count}].";
            var part = new RequestReader(json, place);
            string? type = part.String("type");
            if (type != "text") throw OpenAiException.Invalid(place + "type", $"'{place}type' is '{type}'; the model reads text alone.", "unsupported_content");
            texts.Add(part.String("text") ?? throw OpenAiException.Invalid(place + "text", $"'{place}text' is missing; give a text."));
            part.Finish();
        }

        return string.Concat(texts);
    }
}

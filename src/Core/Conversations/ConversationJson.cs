using System.Text.Encodings.Web;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// Conversations as JSON, in the form that the field's data sets have: <c>[{"role":"user","content":"…"}, …]</c>, or the same as the member "messages" of an object.
/// </summary>
public static class ConversationJson
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads a conversation. The order of the turns is not judged here, but by <see cref="ChatTemplate.Render"/>.</summary>
    /// <param name="json">A JSON array of turns, or an object with such an array as "messages" and no other member. A turn has a "role" and a "content", both strings, and nothing else.</param>
    /// <exception cref="ConversationException">The text is no such JSON, or a role is unknown.</exception>
    public static IReadOnlyList<ConversationTurn> Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        JsonDocument document;
        try
        {
            document = StrictJson.Parse(json);
        }
        catch (JsonException exception)
        {
            throw new ConversationException(ConversationProblem.MalformedJson, null,
                $"The conversation is no valid JSON ({exception.Message.TrimEnd('.')}). Write it as [{{\"role\":\"user\",\"content\":\"…\"}}].", exception);
        }

        using (document)
        {
            JsonElement root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object)
            {
                string? other = root.EnumerateObject().Select(static property => property.Name).FirstOrDefault(static name => name != "messages");
                if (!root.TryGetProperty("messages", out JsonElement messages))
                    throw Malformed(null, $"The conversation is a JSON object without \"messages\"{(other is null ? "" : $"; it has '{CheckpointJson.Shorten(other)}'")}");
                if (other is not null)
                    throw Malformed(null, $"The conversation has a member '{CheckpointJson.Shorten(other)}' beside \"messages\", which has no meaning here and would be lost");
                root = messages;
            }

            if (root.ValueKind != JsonValueKind.Array) throw Malformed(null, $"The conversation is a JSON {root.ValueKind} where an array of turns is expected");
            return [.. root.EnumerateArray().Select(ReadTurn)];
        }
    }

    /// <summary>Writes a conversation as a JSON array on one line.</summary>
    /// <param name="turns">The turns.</param>
    public static string Write(IEnumerable<ConversationTurn> turns)
    {
        ArgumentNullException.ThrowIfNull(turns);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Readable))
        {
            writer.WriteStartArray();
            foreach (ConversationTurn turn in turns)
            {
                writer.WriteStartObject();
                writer.WriteString("role", NameOf(turn.Role));
                writer.WriteString("content", turn.Content);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    /// <summary>A role's name in JSON and in templates.</summary>
    internal static string NameOf(ConversationRole role) => role switch
    {
        ConversationRole.System => "system",
        ConversationRole.User => "user",
        ConversationRole.Assistant => "assistant",
        _ => throw UnknownRole(null, role.ToString()),
    };

    /// <summary>The role of a name.</summary>
    /// <exception cref="ConversationException">There is no such role.</exception>
    internal static ConversationRole RoleOf(string name, int turn) => name switch
    {
        "system" => ConversationRole.System,
        "user" => ConversationRole.User,
        "assistant" => ConversationRole.Assistant,
        _ => throw UnknownRole(turn, name),
    };

    internal static ConversationException UnknownRole(int? turn, string role) =>
        new(ConversationProblem.UnknownRole, turn, $"{(turn is null ? "A turn" : $"Turn {turn}")} has the role '{role}'; the roles are 'system', 'user' and 'assistant'.");

    private static ConversationTurn ReadTurn(JsonElement turn, int index)
    {
        if (turn.ValueKind != JsonValueKind.Object) throw Malformed(index, $"Turn {index} is a JSON {turn.ValueKind}");
        string role = Text(turn, "role", index), content = Text(turn, "content", index);
        foreach (JsonProperty property in turn.EnumerateObject())
        {
            if (property.Name is not ("role" or "content"))
                throw Malformed(index, $"Turn {index} has a member '{CheckpointJson.Shorten(property.Name)}', which has no meaning here");
        }

        return new(RoleOf(role, index), content);
    }

    private static string Text(JsonElement turn, string name, int index) =>
        turn.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw Malformed(index, $"Turn {index} has no \"{name}\" that is a string");

    private static ConversationException Malformed(int? turn, string problem) =>
        new(ConversationProblem.MalformedJson, turn, $"{problem}; write a conversation as [{{\"role\":\"user\",\"content\":\"…\"}}].");
}

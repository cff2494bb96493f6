using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MLNet.Gpt;

// How a template is kept beside a model.
public sealed partial record ChatTemplate
{
    /// <summary>The template's file in a checkpoint folder or an ONNX package.</summary>
    public const string FileName = "chat_template.json";

    /// <summary>The same template for transformers, which reads this file beside a tokenizer.</summary>
    public const string JinjaFileName = "chat_template.jinja";

    private const int Version = 1;

    /// <summary>Writes <see cref="FileName"/>, and <see cref="JinjaFileName"/> for transformers. Each file replaces an older one only when it is complete.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <exception cref="ArgumentException">The template is not valid.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Validate();
        AtomicFile.Write(Path.Combine(folder, JinjaFileName), stream => stream.Write(Encoding.UTF8.GetBytes(ToJinja())));
        AtomicFile.Write(Path.Combine(folder, FileName), WriteJson);
    }

    /// <summary>Reads a folder's <see cref="FileName"/>.</summary>
    /// <param name="folder">A checkpoint folder or an ONNX package.</param>
    /// <returns>The template; null where the folder has none.</returns>
    /// <exception cref="CorruptFileException">The file is damaged, or no template that this version writes.</exception>
    /// <exception cref="ChatTemplateException">The file is another program's: transformers writes its processors' templates under the same name, without the member "version".</exception>
    public static ChatTemplate? Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return null;
        using CheckpointJson json = CheckpointJson.Read(path);
        if (json.Find("version") is null && json.Find("start") is null)
        {
            throw new ChatTemplateException(path, $"The chat template in {path} is another program's: it has no member 'version', and this library reads its own templates alone.",
                $"Write a template that matches the model there with {nameof(ChatTemplate)}.{nameof(Save)}, or fine-tune the model on conversations with one.");
        }

        string[] known = ["version", "start", "system_marker", "user_marker", "assistant_marker", "end_of_turn", "after_turn", "requires_alternation"];
        foreach (JsonProperty property in json.Properties)
        {
            if (!known.Contains(property.Name)) throw json.Wrong(property.Name, property.Value, "left out: this version knows no such member");
        }

        if (json.Int32("version") is not Version) throw json.Wrong("version", json.Find("version"), $"{Version}, the form that this version of the library reads");
        var template = new ChatTemplate
        {
            Start = Required("start"),
            SystemMarker = json.String("system_marker"),
            UserMarker = Required("user_marker"),
            AssistantMarker = Required("assistant_marker"),
            EndOfTurn = Required("end_of_turn"),
            AfterTurn = Required("after_turn"),
            RequiresAlternation = json.Boolean("requires_alternation") ?? throw json.Wrong("requires_alternation", null, "true or false"),
        };
        try
        {
            template.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new CorruptFileException(path, exception.Message, CheckpointJson.Remedy, exception);
        }

        return template;

        string Required(string name) => json.String(name) ?? throw json.Wrong(name, null, "a string");
    }

    /// <summary>The template in Jinja, for transformers' <c>apply_chat_template</c>. It renders text; the order of the turns is checked by this library only.</summary>
    public string ToJinja()
    {
        Validate();
        string system = SystemMarker is { } marker ? $"{{% if message['role'] == 'system' %}}{{{{ {Quote(marker)} }}}}{{% elif" : "{% if";
        return $"{{{{ {Quote(Start)} }}}}"
            + "{% for message in messages %}"
            + $"{system} message['role'] == 'user' %}}{{{{ {Quote(UserMarker)} }}}}"
            + $"{{% elif message['role'] == 'assistant' %}}{{{{ {Quote(AssistantMarker)} }}}}"
            + "{% else %}{{ raise_exception('Unknown role: ' + message['role']) }}{% endif %}"
            + $"{{{{ message['content'] + {Quote(EndOfTurn + AfterTurn)} }}}}"
            + "{% endfor %}"
            + $"{{% if add_generation_prompt %}}{{{{ {Quote(AssistantMarker)} }}}}{{% endif %}}";
    }

    private void WriteJson(Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        writer.WriteStartObject();
        writer.WriteNumber("version", Version);
        writer.WriteString("start", Start);
        writer.WriteString("system_marker", SystemMarker);
        writer.WriteString("user_marker", UserMarker);
        writer.WriteString("assistant_marker", AssistantMarker);
        writer.WriteString("end_of_turn", EndOfTurn);
        writer.WriteString("after_turn", AfterTurn);
        writer.WriteBoolean("requires_alternation", RequiresAlternation);
        writer.WriteEndObject();
    }

    private static string Quote(string text) =>
        $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal)}'";
}

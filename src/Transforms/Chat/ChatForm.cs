using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>What the answer to a call must be: free text, JSON, calls of tools; how the model is told, and how what it wrote is read.</summary>
internal sealed class ChatForm
{
    private readonly ChatToolFormat _format;
    private readonly IReadOnlyList<AIFunctionDeclaration> _told; // in the prompt
    private readonly IReadOnlyList<AIFunctionDeclaration> _callable;
    private readonly JsonElement? _schema;
    private readonly bool _mustCall, _several;

    private ChatForm(ChatToolFormat format, IReadOnlyList<AIFunctionDeclaration> told, IReadOnlyList<AIFunctionDeclaration> callable, JsonElement? schema, bool mustCall, bool several) =>
        (_format, _told, _callable, _schema, _mustCall, _several) = (format, told, callable, schema, mustCall, several);

    /// <summary>How the JSON that a model writes is read: the arguments of a call may have as many levels as other JSON, and stand within the call.</summary>
    public static JsonDocumentOptions JsonOptions => new() { MaxDepth = StrictJson.MaxDepth + 1 };

    /// <summary>Whether the answer may be calls.</summary>
    public bool MayCall => _callable.Count > 0;

    /// <summary>Reads what a call asks for.</summary>
    /// <exception cref="UnsupportedOptionException">It asks for what this library does not do.</exception>
    public static ChatForm Of(ChatOptions? options, ChatToolFormat format)
    {
        JsonElement? schema = options?.ResponseFormat switch
        {
            null or ChatResponseFormatText => null,
            ChatResponseFormatJson json => json.Schema ?? JsonSchemaReader.AnyObject,
            { } other => throw ChatRequest.Refuse(nameof(ChatOptions.ResponseFormat), other.GetType().Name, "Formats are text, JSON and a JSON schema."),
        };
        AIFunctionDeclaration[] tools = [.. (options?.Tools ?? []).Select(static (tool, index) => tool as AIFunctionDeclaration
            ?? throw ChatRequest.Refuse($"{nameof(ChatOptions.Tools)}[{index}]", tool?.GetType().Name, "Tools are functions (AIFunction, AIFunctionDeclaration); leave others out."))];
        string? twice = tools.GroupBy(static tool => tool.Name).FirstOrDefault(static group => group.Count() > 1)?.Key;
        if (twice is not null) throw ChatRequest.Refuse(nameof(ChatOptions.Tools), $"a list with '{twice}' twice", "Give each tool a name of its own.");
        bool several = options?.AllowMultipleToolCalls == true;
        switch (options?.ToolMode)
        {
            case NoneChatToolMode:
                return new(format, [], [], schema, mustCall: false, several: false);
            case RequiredChatToolMode required:
                AIFunctionDeclaration[] callable = required.RequiredFunctionName is { } name ? [.. tools.Where(tool => tool.Name == name)] : tools;
                if (callable.Length == 0) throw ChatRequest.Refuse(nameof(ChatOptions.ToolMode), required.RequiredFunctionName ?? "RequireAny", "The list of tools has no such tool; add it.");
                return new(format, tools, callable, schema, mustCall: true, several);
            case null or AutoChatToolMode:
                return new(format, tools, tools, schema, mustCall: false, several);
            default:
                throw ChatRequest.Refuse(nameof(ChatOptions.ToolMode), options.ToolMode.GetType().Name, "Modes are none, auto and required.");
        }
    }

    /// <summary>What the system turn says of the tools; null where there is none.</summary>
    public string? Introduction()
    {
        if (_told.Count == 0) return null;
        var text = new StringBuilder(_format.Introduction);
        foreach (AIFunctionDeclaration tool in _told)
            text.Append('\n').Append(Json(writer =>
            {
                writer.WriteString("name", tool.Name);
                if (tool.Description.Length > 0) writer.WriteString("description", tool.Description);
                writer.WritePropertyName("parameters");
                tool.JsonSchema.WriteTo(writer);
            }));
        return text.Append('\n').Append(_format.Instruction).ToString();
    }

    /// <summary>The constraint of the answer; null where it is free.</summary>
    /// <exception cref="ConstraintException">A schema can't be used.</exception>
    public ITokenConstraint? Constraint(GptTokenizer tokenizer)
    {
        if (!MayCall && _schema is null) return null;
        string key = string.Join('\n', ["chat", _mustCall.ToString(), _several.ToString(), _format.CallStart, _format.CallEnd, _schema?.GetRawText() ?? "text", .. _callable.Select(static tool => $"{JsonRules.Quote(tool.Name)} {tool.JsonSchema.GetRawText()}")]);
        return TextConstraint.Compile(tokenizer, key, ToGrammar);
    }

    /// <summary>What the model wrote, as contents.</summary>
    /// <param name="text">The answer.</param>
    /// <param name="isWhole">Whether the model ended it itself. What was cut off is text, whatever it began to be, and so is what is nested more than <see cref="StrictJson.MaxDepth"/> deep, as only what the largest grammars write is.</param>
    public IList<AIContent> Read(string text, bool isWhole)
    {
        if (MayCall && isWhole && text.StartsWith(_format.CallStart, StringComparison.Ordinal) && ReadCalls(text) is { } calls) return calls;
        return text.Length == 0 ? [] : [new TextContent(text)];
    }

    private List<AIContent>? ReadCalls(string text)
    {
        List<AIContent> calls = [];
        foreach (string call in text.Split(_format.CallEnd + "\n" + _format.CallStart))
        {
            string json = call;
            if (calls.Count == 0) json = json[_format.CallStart.Length..];
            if (json.EndsWith(_format.CallEnd, StringComparison.Ordinal)) json = json[..^_format.CallEnd.Length];
            if (!TryParse(json, out JsonElement parsed)) return null;
            var arguments = new Dictionary<string, object?>();
            foreach (JsonProperty property in parsed.GetProperty("arguments").EnumerateObject()) arguments[property.Name] = property.Value; // of a name that comes twice, the last
            calls.Add(new FunctionCallContent($"call_{Guid.NewGuid():N}", parsed.GetProperty("name").GetString()!, arguments));
        }

        return calls;

        // The constraint has seen to it that it is JSON; how deep it is nested is the model's.
        static bool TryParse(string json, out JsonElement parsed)
        {
            try
            {
                parsed = JsonElement.Parse(json, JsonOptions);
                return true;
            }
            catch (JsonException)
            {
                parsed = default;
                return false;
            }
        }
    }

    /// <summary>Whether the beginning of an answer may still become a call.</summary>
    public bool MayBecomeCall(string beginning) => MayCall && (beginning.StartsWith(_format.CallStart, StringComparison.Ordinal) || _format.CallStart.StartsWith(beginning, StringComparison.Ordinal));

    /// <summary>A call as it stands in a turn.</summary>
    public static string Write(FunctionCallContent call, ChatToolFormat format) => format.CallStart + Json(writer =>
    {
        writer.WriteString("name", call.Name);
        writer.WritePropertyName("arguments");
        JsonSerializer.Serialize(writer, call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions);
    }) + format.CallEnd;

    /// <summary>A result as it stands in a turn.</summary>
    public static string Write(FunctionResultContent result, string? name, ChatToolFormat format) => format.ResultStart + Json(writer =>
    {
        if (name is not null) writer.WriteString("name", name);
        writer.WritePropertyName("content");
        if (result.Exception is { } exception && result.Result is null) writer.WriteStringValue($"Error: {exception.Message}");
        else JsonSerializer.Serialize(writer, result.Result, AIJsonUtilities.DefaultOptions);
    }) + format.ResultEnd;

    private Grammar ToGrammar()
    {
        var grammar = new Grammar();
        Expression answer = _schema is { } schema ? JsonSchemaReader.AddTo(grammar, schema, JsonWhitespace.None) : TextWithout(_format.CallStart);
        List<Expression> ways = _mustCall ? [] : [answer];
        if (MayCall)
        {
            int calls = grammar.Declare("a tool call");
            grammar.Define(calls, Expression.AnyOf([.. _callable.Select(tool => Expression.Then(
                Expression.Of($"{_format.CallStart}{{\"name\":{JsonRules.Quote(tool.Name)},\"arguments\":"), Arguments(grammar, tool), Expression.Of("}" + _format.CallEnd)))]));
            Expression call = new Expression.Call(calls);
            ways.Add(_several ? Expression.Then(call, Expression.Times(Expression.Then(Expression.Of("\n"), call), 0, null)) : call);
        }

        int root = grammar.Declare("the answer");
        grammar.Define(root, Expression.AnyOf(ways));
        grammar.Root = root;
        return grammar;
    }

    private static Expression Arguments(Grammar grammar, AIFunctionDeclaration tool)
    {
        try
        {
            // By itself first: a call that nothing satisfies would be no call at all beside others and beside text.
            var alone = new Grammar();
            alone.Root = JsonSchemaReader.AddObjectTo(alone, tool.JsonSchema, JsonWhitespace.None).Rule;
            GrammarGraph.Build(alone, null);
            return JsonSchemaReader.AddObjectTo(grammar, tool.JsonSchema, JsonWhitespace.None);
        }
        catch (ConstraintException exception)
        {
            throw new ConstraintException(exception.Problem, $"the schema of the tool '{tool.Name}', {exception.Location}", exception.Message, exception.Keyword, exception);
        }
    }

    // Any text that does not begin with the marker: it ends within it, or differs from it somewhere.
    private static Expression TextWithout(string marker)
    {
        Expression any = Expression.Times(Expression.Of(CodePointSet.All), 0, null), rest = Expression.Never;
        foreach (Rune rune in marker.EnumerateRunes().Reverse())
        {
            CodePointSet own = CodePointSet.Of(rune.Value);
            rest = Expression.AnyOf(Expression.Empty, Expression.Then(Expression.Of(own.Complement()), any), Expression.Then(Expression.Of(own), rest));
        }

        return rest;
    }

    private static string Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = int.MaxValue }))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}

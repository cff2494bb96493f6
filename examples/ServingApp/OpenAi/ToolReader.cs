using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ServingApp.OpenAi;

/// <summary>Reads <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>.</summary>
internal static class ToolReader
{
    private static readonly JsonElement NoParameters = JsonElement.Parse("""{"type":"object","properties":{},"additionalProperties":false}""");

    /// <summary>Puts them into a call's options.</summary>
    /// <exception cref="OpenAiException">A tool is wrong, or the choice is none of them.</exception>
    public static void Read(RequestReader request, ChatOptions options)
    {
        List<AITool> tools = [];
        if (request.Element("tools") is { } list)
        {
            if (list.ValueKind != JsonValueKind.Array) throw request.Wrong("tools", list, "a list of tools");
            foreach (JsonElement json in list.EnumerateArray())
            {
                AIFunctionDeclaration tool = ReadTool(json, $"tools[{tools.Count}].");
                if (tools.Exists(other => other.Name == tool.Name)) throw OpenAiException.Invalid($"tools[{tools.Count}].function.name", $"'tools[{tools.Count}].function.name' is '{tool.Name}', as another tool's; give each a name of its own.");
                tools.Add(tool);
            }
        }

        ChatToolMode? mode = ReadChoice(request, tools);
        bool several = request.Boolean("parallel_tool_calls") ?? true; // as OpenAI has it
        if (tools.Count == 0) return;
        (options.Tools, options.ToolMode, options.AllowMultipleToolCalls) = (tools, mode, several);
    }

    private static AIFunctionDeclaration ReadTool(JsonElement json, string path)
    {
        var tool = new RequestReader(json, path);
        tool.RequireFunction();
        var function = new RequestReader(tool.Element("function") ?? throw OpenAiException.Invalid(path + "function", $"'{path}function' is missing; give its name and its parameters."), path + "function.");
        tool.Finish();
        string name = function.String("name") is { Length: > 0 } given ? given : throw OpenAiException.Invalid(path + "function.name", $"'{path}function.name' is missing or empty; give the tool a name.");
        string? description = function.String("description");
        JsonElement parameters = function.Element("parameters") ?? NoParameters;
        if (parameters.ValueKind != JsonValueKind.Object) throw function.Wrong("parameters", parameters, "a JSON Schema");
        _ = function.Boolean("strict"); // calls always are
        function.Finish();
        return AIFunctionFactory.CreateDeclaration(name, description, parameters);
    }

    private static ChatToolMode? ReadChoice(RequestReader request, List<AITool> tools)
    {
        if (request.Element("tool_choice") is not { } choice) return null;
        if (choice.ValueKind == JsonValueKind.String)
        {
            switch (choice.GetString())
            {
                case "none":
                    return ChatToolMode.None;
                case "auto":
                    return ChatToolMode.Auto;
                case "required" when tools.Count > 0:
                    return ChatToolMode.RequireAny;
                case "required":
                    throw OpenAiException.Invalid("tool_choice", "'tool_choice' is 'required', and there are no tools; give some.");
            }
        }

        if (choice.ValueKind != JsonValueKind.Object) throw request.Wrong("tool_choice", choice, "'none', 'auto', 'required', or {\"type\":\"function\",\"function\":{\"name\":…}}");
        var named = new RequestReader(choice, "tool_choice.");
        named.RequireFunction();
        var function = new RequestReader(named.Element("function") ?? throw OpenAiException.Invalid("tool_choice.function", "'tool_choice.function' is missing; name a tool."), "tool_choice.function.");
        named.Finish();
        string? name = function.String("name");
        function.Finish();
        return tools.Exists(tool => tool.Name == name) ? ChatToolMode.RequireSpecific(name!) : throw OpenAiException.Invalid("tool_choice.function.name", $"'tool_choice.function.name' is '{name}', which none of the tools has.");
    }
}

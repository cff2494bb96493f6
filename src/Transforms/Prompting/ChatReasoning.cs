using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>Ways of asking a chat client more than once: a majority of answers, a tree of thoughts, thinking and acting in turn. Any client will do whose answers can be held to a JSON schema.</summary>
public static class ChatReasoning
{
    private static readonly JsonElement NoArguments = JsonElement.Parse("{}");

    private static readonly JsonElement Judgement = JsonElement.Parse("""{"type":"object","properties":{"value":{"type":"integer","minimum":1,"maximum":10}},"required":["value"],"additionalProperties":false}""");

    /// <summary>Draws several answers and takes what most of them say (Wang et al. 2023).</summary>
    /// <param name="client">The client.</param>
    /// <param name="messages">The conversation; its last message asks for steps before the answer.</param>
    /// <param name="options">How many answers, and what is counted of them; null for the defaults.</param>
    /// <param name="chatOptions">The options of each call. The seed of sample i is i above theirs (0 where they have none).</param>
    /// <param name="cancellationToken">Ends the calls.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public static async Task<SelfConsistencyResult> SelfConsistencyAsync(
        this IChatClient client, IEnumerable<ChatMessage> messages, SelfConsistencyOptions? options = null, ChatOptions? chatOptions = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(messages);
        options ??= new SelfConsistencyOptions();
        options.Validate();

        // 1. The answers, each with a seed of its own.
        ChatMessage[] asked = [.. messages];
        var responses = new ChatResponse[options.Samples];
        await Parallel.ForAsync(0, responses.Length, new ParallelOptions { MaxDegreeOfParallelism = options.MaxConcurrency, CancellationToken = cancellationToken }, async (i, token) =>
        {
            ChatOptions own = chatOptions?.Clone() ?? new ChatOptions();
            own.Temperature ??= options.Temperature;
            own.Seed = (own.Seed ?? 0) + i;
            responses[i] = await client.GetResponseAsync(asked, own, token).ConfigureAwait(false);
        }).ConfigureAwait(false);

        // 2. The vote.
        string?[] answers = [.. responses.Select(response => options.Extract(response.Text))];
        IGrouping<string, string>? winner = answers.OfType<string>().GroupBy(static answer => answer, options.Comparer).MaxBy(static group => group.Count()); // the first of equal ones
        return new(winner?.First(), winner?.Count() ?? 0, answers, responses);
    }

    /// <summary>Searches for steps that solve a problem, breadth first: propose, judge, keep the best (Yao et al. 2023, algorithm 1).</summary>
    /// <param name="client">The client.</param>
    /// <param name="problem">The problem.</param>
    /// <param name="options">Depth, breadth and prompts; null for the defaults.</param>
    /// <param name="chatOptions">The options of each call. Each call has a seed of its own, counted up from theirs (0 where they have none).</param>
    /// <param name="cancellationToken">Ends the calls.</param>
    /// <returns>The paths that were kept last, the best first.</returns>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public static async Task<IReadOnlyList<ThoughtPath>> TreeOfThoughtsAsync(
        this IChatClient client, string problem, TreeOfThoughtsOptions? options = null, ChatOptions? chatOptions = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(problem);
        options ??= new TreeOfThoughtsOptions();
        options.Validate();
        long seed = chatOptions?.Seed ?? 0;
        List<ThoughtPath> states = [new([], 0)];
        for (int depth = 0; depth < options.Depth; depth++)
        {
            // 1. k proposals for each state, each once.
            List<IReadOnlyList<string>> proposed = [];
            foreach (ThoughtPath state in states)
            {
                for (int i = 0; i < options.Proposals; i++)
                {
                    ChatOptions own = Own(seed++);
                    own.Temperature = options.Temperature;
                    string thought = (await client.GetResponseAsync(Fill(options.ProposePrompt, state.Thoughts), own, cancellationToken).ConfigureAwait(false)).Text.Trim();
                    if (thought.Length > 0 && !proposed.Any(path => path[^1] == thought && path.SkipLast(1).SequenceEqual(state.Thoughts))) proposed.Add([.. state.Thoughts, thought]);
                }
            }

            // 2. The value of each, and the b best; a judgement that was cut off, or holds no number, counts as the worst.
            List<ThoughtPath> judged = [];
            foreach (IReadOnlyList<string> path in proposed)
            {
                double sum = 0;
                for (int i = 0; i < options.Judgements; i++)
                {
                    ChatOptions own = Own(seed++);
                    own.ResponseFormat = ChatResponseFormat.ForJsonSchema(Judgement);
                    ChatResponse response = await client.GetResponseAsync(Fill(options.JudgePrompt, path), own, cancellationToken).ConfigureAwait(false);
                    sum += Find(TryParse(response.Text), "value", JsonValueKind.Number)?.GetDouble() ?? 1;
                }

                judged.Add(new(path, sum / options.Judgements));
            }

            if (judged.Count == 0) break;
            states = [.. judged.OrderByDescending(static path => path.Value).Take(options.Breadth)];
        }

        return states[0].Thoughts.Count == 0 ? [] : states;

        ChatOptions Own(long own)
        {
            ChatOptions clone = chatOptions?.Clone() ?? new ChatOptions();
            clone.Seed = own;
            return clone;
        }

        string Fill(string prompt, IReadOnlyList<string> thoughts) =>
            prompt.Replace("{thoughts}", thoughts.Count == 0 ? "(none)" : string.Join('\n', thoughts), StringComparison.Ordinal).Replace("{problem}", problem, StringComparison.Ordinal);
    }

    /// <summary>Answers a question by thoughts, calls of tools and what they give, in turn (Yao et al. 2023, ReAct). Each step is held to JSON of a schema.</summary>
    /// <param name="client">The client. It need not call tools itself; one that does has to leave these to this method.</param>
    /// <param name="question">The question.</param>
    /// <param name="tools">The tools, of names that differ and are not "finish".</param>
    /// <param name="options">The most steps, the instructions; null for the defaults.</param>
    /// <param name="chatOptions">The options of each call; their tools and response format are not used.</param>
    /// <param name="cancellationToken">Ends the calls and the tools.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two tools share a name.</exception>
    /// <exception cref="PromptTooLongException">The client is one of this library's, and the question and its steps do not fit the context: neither is left out.</exception>
    /// <remarks>A tool that throws, a time-out of its own included, is an observation "Error: …"; a cancellation by <paramref name="cancellationToken"/> ends the search.</remarks>
    public static async Task<ReActResult> ReActAsync(
        this IChatClient client, string question, IReadOnlyList<AIFunction> tools, ReActOptions? options = null, ChatOptions? chatOptions = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(question);
        ArgumentNullException.ThrowIfNull(tools);
        options ??= new ReActOptions();
        options.Validate();
        const string Finish = "finish";
        string? twice = tools.Select(static tool => tool.Name).Append(Finish).GroupBy(static name => name).FirstOrDefault(static group => group.Count() > 1)?.Key;
        if (twice is not null) throw new ArgumentException($"Two actions are called '{twice}'; give each tool a name of its own, other than '{Finish}'.", nameof(tools));
        ChatOptions own = chatOptions?.Clone() ?? new ChatOptions();
        own.Tools = null;
        own.ToolMode = null;
        own.ResponseFormat = ChatResponseFormat.ForJsonSchema(StepSchema(tools));
        string told = string.Concat(tools.Select(static tool => $"\n- {tool.Name}: {tool.Description} Arguments: {tool.JsonSchema.GetRawText()}"));
        List<ChatMessage> messages =
        [
            new(ChatRole.System, $"{options.Introduction} Answer with {{\"thought\":…,\"action\":…,\"arguments\":{{…}}}}, or with {{\"thought\":…,\"action\":\"{Finish}\",\"answer\":…}}. The tools:{told}"),
            new(ChatRole.User, question),
        ];
        List<ReActStep> steps = [];
        while (steps.Count < options.MaxSteps)
        {
            // 1. Think and choose.
            string text = (await client.GetResponseAsync(messages, own, cancellationToken).ConfigureAwait(false)).Text;
            JsonElement? step = TryParse(text);
            if (Find(step, "action", JsonValueKind.String)?.GetString() is not { } action) return new(null, steps);
            string thought = Find(step, "thought", JsonValueKind.String)?.GetString() ?? "";
            if (action == Finish)
            {
                string answer = Find(step, "answer", JsonValueKind.String)?.GetString() ?? "";
                steps.Add(new(thought, null, answer, null));
                return new(answer, steps);
            }

            // 2. Act and observe.
            JsonElement arguments = Find(step, "arguments", JsonValueKind.Object) ?? NoArguments;
            AIFunction? tool = tools.FirstOrDefault(candidate => candidate.Name == action);
            string observation = tool is null ? $"Error: there is no tool '{action}'." : await Invoke(tool, arguments, cancellationToken).ConfigureAwait(false);
            steps.Add(new(thought, action, arguments.GetRawText(), observation));
            messages.Add(new(ChatRole.Assistant, text));
            messages.Add(new(ChatRole.User, $"Observation: {observation}") { AdditionalProperties = new() { [ChatRequest.ObservationMark] = true } }); // so that a context that is full does not lose the question
        }

        return new(null, steps);
    }

    private static JsonElement StepSchema(IReadOnlyList<AIFunction> tools)
    {
        // Each tool's schema lies under $defs, and its references with it.
        var definitions = new JsonObject();
        var alternatives = new JsonArray { Step("finish", "answer", new JsonObject { ["type"] = "string" }) };
        foreach ((int index, AIFunction tool) in tools.Index())
        {
            string name = $"tool{index}";
            JsonNode schema = JsonNode.Parse(tool.JsonSchema.GetRawText())!;
            Relocate(schema, $"#/$defs/{name}");
            definitions[name] = schema;
            var arguments = new JsonObject { ["$ref"] = $"#/$defs/{name}" };
            if (Find(tool.JsonSchema, "type", JsonValueKind.String)?.ValueEquals("object") != true) arguments["type"] = "object"; // whatever else the schema allows
            alternatives.Add(Step(tool.Name, "arguments", arguments));
        }

        return JsonSerializer.SerializeToElement(new JsonObject { ["anyOf"] = alternatives, ["$defs"] = definitions });

        static JsonNode Step(string action, string content, JsonObject schema) => new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject { ["thought"] = new JsonObject { ["type"] = "string" }, ["action"] = new JsonObject { ["const"] = action }, [content] = schema },
            ["required"] = new JsonArray("thought", "action", content),
            ["additionalProperties"] = false,
        };

        static void Relocate(JsonNode? node, string root)
        {
            if (node is JsonArray list)
            {
                foreach (JsonNode? item in list) Relocate(item, root);
            }
            else if (node is JsonObject schema)
            {
                foreach ((_, JsonNode? member) in schema.ToArray()) Relocate(member, root);
                if (schema["$ref"] is JsonValue reference && reference.TryGetValue(out string? pointer) && pointer.StartsWith('#')) schema["$ref"] = root + pointer[1..];
            }
        }
    }

    private static async Task<string> Invoke(AIFunction tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        try
        {
            var given = new AIFunctionArguments();
            foreach (JsonProperty argument in arguments.EnumerateObject()) given[argument.Name] = argument.Value; // of a name that comes twice, the last
            object? result = await tool.InvokeAsync(given, cancellationToken).ConfigureAwait(false);
            return result as string ?? (result is JsonElement { ValueKind: JsonValueKind.String } text ? text.GetString()! : JsonSerializer.Serialize(result, AIJsonUtilities.DefaultOptions));
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return $"Error: {exception.Message}"; // told to the model, which may do better
        }
    }

    private static JsonElement? TryParse(string text)
    {
        try
        {
            return JsonElement.Parse(text, ChatForm.JsonOptions);
        }
        catch (JsonException)
        {
            return null; // cut off at the most tokens of an answer
        }
    }

    /// <summary>A member of an object, of a kind; null where there is none.</summary>
    private static JsonElement? Find(JsonElement? owner, string name, JsonValueKind kind) =>
        owner is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out JsonElement member) && member.ValueKind == kind ? member : null;
}

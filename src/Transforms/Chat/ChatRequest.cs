using System.Text;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>Turns messages and options of Microsoft.Extensions.AI into this library's. What can't be honoured is refused by name.</summary>
internal static class ChatRequest
{
    /// <summary>A property of a message that says what an action gave: it belongs to the question before it, as a tool's result does.</summary>
    public const string ObservationMark = "mlnet_gpt_observation";

    private const string LeaveOut = "Leave it out.";

    /// <summary>
    /// The conversation. Instructions, what is said of the tools, and the system messages at the beginning become one system turn, with a blank line between them. Results of tools are
    /// turns of the user, which no exchange begins with. Where the template asks for alternation, messages of one role in a row become one turn too, with a blank line between them.
    /// </summary>
    /// <exception cref="ConversationException">A message's role is unknown.</exception>
    /// <exception cref="UnsupportedOptionException">A message has content other than text, calls and results.</exception>
    public static IReadOnlyList<ConversationTurn> ToTurns(IEnumerable<ChatMessage> messages, ChatOptions? options, ChatForm form, ChatToolFormat format, ChatTemplate template)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var names = new Dictionary<string, string>();
        List<ConversationTurn> turns = [];
        foreach ((int index, ChatMessage message) in messages.Index())
        {
            ConversationTurn turn = ToTurn(message, index, names, format);

            // Results stand in the user's turn, also where the user goes on behind them; a free answer and calls in one of the assistant's.
            bool isResult = message is { Role: { } role } && (role == ChatRole.Tool || message.Contents.Any(static content => content is FunctionResultContent));
            bool isCall = turn.Role == ConversationRole.Assistant && message.Contents is [FunctionCallContent, ..];
            if (turns.Count == 0 || turns[^1] is not { } before || before.Role != turn.Role) turns.Add(turn with { IsToolResult = isResult || message.AdditionalProperties?.ContainsKey(ObservationMark) == true });
            else if (isResult || (turn.Role == ConversationRole.User && before.Content.EndsWith(format.ResultEnd, StringComparison.Ordinal))) Join("\n");
            else if (template.RequiresAlternation) Join(isCall ? "\n" : "\n\n");
            else turns.Add(turn);

            void Join(string between) => turns[^1] = turns[^1] with { Content = turns[^1].Content + between + turn.Content };
        }

        ConversationTurn[] head = [.. turns.TakeWhile(static turn => turn.Role == ConversationRole.System)];
        string[] system = [.. new[] { options?.Instructions, form.Introduction() }.Where(static text => !string.IsNullOrEmpty(text)).OfType<string>(), .. head.Select(static turn => turn.Content)];
        return system.Length == 0 ? turns : [ConversationTurn.System(string.Join("\n\n", system)), .. turns[head.Length..]];
    }

    /// <summary>The settings of a call.</summary>
    /// <param name="options">What the call says; null for nothing.</param>
    /// <param name="client">What the client says.</param>
    /// <param name="adapters">The model's, which a call may name in the place of the model.</param>
    /// <exception cref="UnsupportedOptionException">An option asks for what this library does not do.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static GenerationOptions ToGeneration(ChatOptions? options, GptChatClientOptions client, IReadOnlyCollection<IModelAdapter> adapters)
    {
        GenerationOptions generation = client.Generation with { PromptOverflow = client.Generation.PromptOverflow ?? PromptOverflow.KeepTail };
        if (options is null) return generation;

        // 1. What can't be honoured.
        if (options.ConversationId is not null && client.MaxConversations == 0) throw Refuse(nameof(options.ConversationId), options.ConversationId, $"The client keeps no conversations; pass all messages with each call, or set {nameof(GptChatClientOptions.MaxConversations)}.");
        if (options.RawRepresentationFactory is not null) throw Refuse(nameof(options.RawRepresentationFactory), "set", LeaveOut);
        if (options.Reasoning is not null) throw Refuse(nameof(options.Reasoning), "set", LeaveOut);
#pragma warning disable MEAI001 // they are experimental; a caller who sets them is told all the same
        if (options.AllowBackgroundResponses is true) throw Refuse(nameof(options.AllowBackgroundResponses), true, LeaveOut);
        if (options.ContinuationToken is not null) throw Refuse(nameof(options.ContinuationToken), "set", LeaveOut);
#pragma warning restore MEAI001
        if (options.AdditionalProperties is { Count: > 0 } more) throw Refuse($"{nameof(options.AdditionalProperties)}[{more.Keys.First()}]", more.Values.First(), LeaveOut);
        string? adapter = generation.Adapter;
        if (options.ModelId is not null && options.ModelId != client.ModelId)
        {
            adapter = adapters.FirstOrDefault(one => string.Equals(one.Name, options.ModelId, StringComparison.OrdinalIgnoreCase))?.Name ?? throw Refuse(nameof(options.ModelId), options.ModelId,
                $"This client's model is '{client.ModelId}'{string.Concat(adapters.Select(static one => $", with the adapter '{one.Name}'"))}; leave it out, or ask another client.");
        }

        if (options.Seed is < int.MinValue or > int.MaxValue) throw Refuse(nameof(options.Seed), options.Seed, $"A seed is {int.MinValue} to {int.MaxValue}.");

        // 2. What has another name here, and would be refused by that one.
        if (options.MaxOutputTokens is < 1) throw new ArgumentOutOfRangeException(nameof(options.MaxOutputTokens), options.MaxOutputTokens, $"{nameof(options.MaxOutputTokens)} is {options.MaxOutputTokens}; it must be 1 or more.");
        if (options.StopSequences?.ToList().FindIndex(string.IsNullOrEmpty) is { } empty and >= 0)
            throw new ArgumentException($"{nameof(options.StopSequences)}[{empty}] is {(options.StopSequences[empty] is null ? "null" : "empty")}, which would end every answer at once; remove it.", nameof(options.StopSequences));

        // 3. What can be honoured.
        generation = generation with
        {
            Adapter = adapter,
            Temperature = options.Temperature ?? generation.Temperature,
            TopP = options.TopP ?? generation.TopP,
            TopK = options.TopK ?? generation.TopK,
            FrequencyPenalty = options.FrequencyPenalty ?? generation.FrequencyPenalty,
            PresencePenalty = options.PresencePenalty ?? generation.PresencePenalty,
            MaxNewTokens = options.MaxOutputTokens ?? generation.MaxNewTokens,
            MinNewTokens = Math.Min(generation.MinNewTokens, options.MaxOutputTokens ?? generation.MaxNewTokens), // a call that asks for less than the client's least means it
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. generation.StopStrings, .. stops] : generation.StopStrings,
            Seed = options.Seed is { } seed ? (int)seed : generation.Seed,
        };
        generation.Validate();
        return generation;
    }

    public static UnsupportedOptionException Refuse(string option, object? value, string remedy) => new(option, value, remedy);

    private static ConversationTurn ToTurn(ChatMessage message, int index, Dictionary<string, string> names, ChatToolFormat format)
    {
        ArgumentNullException.ThrowIfNull(message);
        var text = new StringBuilder();
        bool lastWasText = true;
        foreach (AIContent content in message.Contents)
        {
            string? piece = content switch
            {
                TextContent plain => plain.Text,
                FunctionCallContent call when message.Role == ChatRole.Assistant => ChatForm.Write(call, format),
                FunctionResultContent result when message.Role == ChatRole.Tool || message.Role == ChatRole.User => ChatForm.Write(result, names.GetValueOrDefault(result.CallId), format),
                UsageContent => "",
                _ => throw Refuse($"messages[{index}].{nameof(message.Contents)}", content.GetType().Name, "The model reads text, an assistant's calls of tools and their results alone."),
            };
            if (content is FunctionCallContent { CallId: { } id, Name: var name }) names[id] = name;
            bool isText = content is TextContent or UsageContent;
            if (text.Length > 0 && !(isText && lastWasText)) text.Append('\n');
            text.Append(piece);
            lastWasText = isText;
        }

        if (message.Role == ChatRole.Tool && !message.Contents.Any(static content => content is FunctionResultContent))
            throw new ConversationException(ConversationProblem.UnknownRole, index, $"Message {index} has the role 'tool' and no result of a call; give it a {nameof(FunctionResultContent)}.");
        return message.Role == ChatRole.System ? ConversationTurn.System(text.ToString())
            : message.Role == ChatRole.User || message.Role == ChatRole.Tool ? ConversationTurn.User(text.ToString())
            : message.Role == ChatRole.Assistant ? ConversationTurn.Assistant(text.ToString())
            : throw new ConversationException(ConversationProblem.UnknownRole, index, $"Message {index} has the role '{message.Role.Value}'; the roles are 'system', 'user', 'assistant' and 'tool'.");
    }
}

using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>Turns messages and options of Microsoft.Extensions.AI into this library's. What can't be honoured is refused by name.</summary>
internal static class ChatRequest
{
    private const string LeaveOut = "Leave it out.";

    /// <summary>The conversation. Instructions and the system messages at the beginning become one system turn, with a blank line between them.</summary>
    /// <exception cref="ConversationException">A message's role is unknown.</exception>
    /// <exception cref="UnsupportedOptionException">A message has content other than text.</exception>
    public static IReadOnlyList<ConversationTurn> ToTurns(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ConversationTurn[] turns = [.. messages.Select(ToTurn)];
        ConversationTurn[] head = [.. turns.TakeWhile(turn => turn.Role == ConversationRole.System)];
        string[] system = [.. (options?.Instructions is { Length: > 0 } instructions ? [instructions] : Array.Empty<string>()), .. head.Select(turn => turn.Content)];
        return system.Length == 0 ? turns : [ConversationTurn.System(string.Join("\n\n", system)), .. turns[head.Length..]];
    }

    /// <summary>The settings of a call.</summary>
    /// <exception cref="UnsupportedOptionException">An option asks for what this library does not do.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static GenerationOptions ToGeneration(ChatOptions? options, GptChatClientOptions client)
    {
        GenerationOptions generation = client.Generation;
        if (options is null) return generation;

        // 1. What can't be honoured.
        if (options.FrequencyPenalty is not (null or 0)) throw Refuse(nameof(options.FrequencyPenalty), options.FrequencyPenalty, "Use the client's own RepetitionPenalty, or leave it out.");
        if (options.PresencePenalty is not (null or 0)) throw Refuse(nameof(options.PresencePenalty), options.PresencePenalty, "Use the client's own RepetitionPenalty, or leave it out.");
        if (options.ResponseFormat is not (null or ChatResponseFormatText)) throw Refuse(nameof(options.ResponseFormat), options.ResponseFormat.GetType().Name, "Answers are free text; ask for the format in the conversation and check the answer.");
        if (options.Tools is { Count: > 0 } tools) throw Refuse(nameof(options.Tools), $"a list of {tools.Count}", "The model calls no tools; leave them out.");
        if (options.ToolMode is not (null or NoneChatToolMode or AutoChatToolMode)) throw Refuse(nameof(options.ToolMode), options.ToolMode, "The model calls no tools; leave it out.");
        if (options.AllowMultipleToolCalls is true) throw Refuse(nameof(options.AllowMultipleToolCalls), true, "The model calls no tools; leave it out.");
        if (options.ConversationId is not null) throw Refuse(nameof(options.ConversationId), options.ConversationId, "The client keeps no conversations; pass all messages with each call.");
        if (options.RawRepresentationFactory is not null) throw Refuse(nameof(options.RawRepresentationFactory), "set", LeaveOut);
        if (options.Reasoning is not null) throw Refuse(nameof(options.Reasoning), "set", LeaveOut);
#pragma warning disable MEAI001 // they are experimental; a caller who sets them is told all the same
        if (options.AllowBackgroundResponses is true) throw Refuse(nameof(options.AllowBackgroundResponses), true, LeaveOut);
        if (options.ContinuationToken is not null) throw Refuse(nameof(options.ContinuationToken), "set", LeaveOut);
#pragma warning restore MEAI001
        if (options.AdditionalProperties is { Count: > 0 } more) throw Refuse($"{nameof(options.AdditionalProperties)}[{more.Keys.First()}]", more.Values.First(), LeaveOut);
        if (options.ModelId is not null && options.ModelId != client.ModelId) throw Refuse(nameof(options.ModelId), options.ModelId, $"This client's model is '{client.ModelId}'; leave it out, or ask another client.");
        if (options.Seed is < int.MinValue or > int.MaxValue) throw Refuse(nameof(options.Seed), options.Seed, $"A seed is {int.MinValue} to {int.MaxValue}.");

        // 2. What can.
        generation = generation with
        {
            Temperature = options.Temperature ?? generation.Temperature,
            TopP = options.TopP ?? generation.TopP,
            TopK = options.TopK ?? generation.TopK,
            MaxNewTokens = options.MaxOutputTokens ?? generation.MaxNewTokens,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. generation.StopStrings, .. stops] : generation.StopStrings,
            Seed = options.Seed is { } seed ? (int)seed : generation.Seed,
        };
        generation.Validate();
        return generation;
    }

    public static UnsupportedOptionException Refuse(string option, object? value, string remedy) => new(option, value, remedy);

    private static ConversationTurn ToTurn(ChatMessage message, int index)
    {
        ArgumentNullException.ThrowIfNull(message);
        foreach (AIContent content in message.Contents)
        {
            if (content is not TextContent)
                throw Refuse($"messages[{index}].{nameof(message.Contents)}", content.GetType().Name, "The model reads text alone.");
        }

        return message.Role == ChatRole.System ? ConversationTurn.System(message.Text)
            : message.Role == ChatRole.User ? ConversationTurn.User(message.Text)
            : message.Role == ChatRole.Assistant ? ConversationTurn.Assistant(message.Text)
            : throw new ConversationException(ConversationProblem.UnknownRole, index, $"Message {index} has the role '{message.Role.Value}'; the roles are 'system', 'user' and 'assistant'.");
    }
}

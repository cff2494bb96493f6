using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>
/// A call of a chat client as tokens, for programs that generate themselves, such as a server over a <see cref="GptGenerationQueue"/>: the conversation as a prompt, how to generate, the form that the answer is
/// held to, and how its text is read. What a client of <see cref="GptModelExtensions.AsChatClient"/> does with a call, without the generation.
/// </summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed class ChatPrompt
{
    private readonly ChatForm _form;

    private ChatPrompt(ChatForm form, int[] tokenIds, GenerationOptions generation, ITokenConstraint? constraint) =>
        (_form, TokenIds, Generation, Constraint) = (form, tokenIds, generation, constraint);

    /// <summary>The conversation, with what is said of the tools, up to where the answer begins.</summary>
    public IReadOnlyList<int> TokenIds { get; }

    /// <summary>How to generate: the client's settings and the call's, with the template's end of turn among <see cref="GenerationOptions.StopTokenIds"/>.</summary>
    public GenerationOptions Generation { get; }

    /// <summary>What the answer must be: JSON, a call of a tool, or a text that is none; null where it is free.</summary>
    public ITokenConstraint? Constraint { get; }

    /// <summary>Makes the prompt of a call.</summary>
    /// <param name="model">The model, which has a chat template.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The call's options, read as docs/chat.md says; null for none. A conversation id is refused: nothing is kept here.</param>
    /// <param name="client">The settings where the call leaves them open, and how tools are written; null for the defaults with the model's own <see cref="GptModel.Generation"/>.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ChatTemplateException">The model has no chat template.</exception>
    /// <exception cref="ConversationException">The conversation breaks a rule.</exception>
    /// <exception cref="UnsupportedOptionException">The call asks for what this library does not do.</exception>
    /// <exception cref="ConstraintException">A schema of the answer's or a tool's can't be used.</exception>
    /// <exception cref="PromptTooLongException">The conversation does not fit the context.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static ChatPrompt Create(GptModel model, IEnumerable<ChatMessage> messages, ChatOptions? options = null, GptChatClientOptions? client = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        client ??= GptChatClientOptions.Of(model);
        client.Validate();
        if (options?.ConversationId is { } id) throw ChatRequest.Refuse(nameof(options.ConversationId), id, "A prompt keeps no conversation; pass all messages.");
        return Create(model, messages, options, ChatForm.Of(options, client.Tools), ChatRequest.ToGeneration(options, client, model.Adapters), client, cancellationToken);
    }

    /// <summary>The same from what has been read of the options.</summary>
    internal static ChatPrompt Create(GptModel model, IEnumerable<ChatMessage> messages, ChatOptions? options, ChatForm form, GenerationOptions generation, GptChatClientOptions client, CancellationToken cancellationToken)
    {
        int[] prompt = [.. model.RenderPrompt(ChatRequest.ToTurns(messages, options, form, client.Tools, model.RequireChatTemplate()), generation, cancellationToken).TokenIds];

        // The call's own form goes before the client's constraint.
        ITokenConstraint? constraint = form.Constraint(model.Tokenizer);
        if (constraint is not null && generation is GenerateTextOptions text) generation = text with { Constraint = null };
        return new(form, prompt, model.ChatOptions(generation), constraint);
    }

    /// <summary>Whether the beginning of an answer may still become a call of a tool, which is not text then.</summary>
    /// <param name="beginning">What has been written so far.</param>
    public bool MayBecomeCall(string beginning)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        return _form.MayBecomeCall(beginning);
    }

    /// <summary>Reads an answer.</summary>
    /// <param name="text">All of its text.</param>
    /// <param name="reason">Why it ended. What the model did not end itself (<see cref="FinishReason.StopToken"/>) is text, whatever it began to be.</param>
    /// <returns>Calls of tools, each with an id of its own, or one text, or nothing where the text is empty.</returns>
    public IList<AIContent> Read(string text, FinishReason reason)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _form.Read(text, reason == FinishReason.StopToken);
    }
}

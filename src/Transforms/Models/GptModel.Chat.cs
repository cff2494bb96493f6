namespace MLNet.Gpt;

// Conversations.
public sealed partial class GptModel
{
    /// <summary>Answers a conversation.</summary>
    /// <param name="turns">The turns; the last one is the user's.</param>
    /// <param name="options">
    /// How to generate; null for <see cref="Generation"/>. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1. The answer ends at the template's end of turn besides the other stops. With
    /// <see cref="PromptOverflow.KeepTail"/> the oldest exchanges are left out where the conversation is too long, never the system turn.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The answer, without markers.</returns>
    /// <exception cref="ChatTemplateException">The model has no chat template, or one that can't be used; the message names its file.</exception>
    /// <exception cref="ConversationException">The conversation breaks a rule.</exception>
    /// <exception cref="PromptTooLongException">The conversation does not fit the context.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GeneratedText Chat(IReadOnlyList<ConversationTurn> turns, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= Generation;
        CheckStops(options);
        RequireOneSample(options);
        int[] prompt = [.. RenderPrompt(turns, options, cancellationToken).TokenIds];
        return ToText(GenerateTokens([prompt], ChatOptions(options), onToken: null, cancellationToken)[0], options);
    }

    /// <exception cref="ChatTemplateException">The model has no chat template.</exception>
    internal ChatTemplate RequireChatTemplate() => ChatTemplate ?? throw Companions.ChatTemplateProblem ?? new ChatTemplateException(
        "The model has no chat template, so it is not known how it was taught to tell a user from an assistant.",
        $"Fine-tune it on conversations, put {ChatTemplate.FileName} into its folder, or pass a template to {nameof(GptModel)}'s constructor.");

    /// <summary>The tokens of a conversation that is to be answered, as many as the context has room for.</summary>
    internal RenderedConversation RenderPrompt(IReadOnlyList<ConversationTurn> turns, GenerationOptions options, CancellationToken cancellationToken)
    {
        // As a text's: room for the answer, or half of the context where that is more.
        int context = Config.ContextLength;
        ChatTemplate template = RequireChatTemplate();
        if (options.PromptOverflow == PromptOverflow.KeepTail)
            return template.RenderPrompt(turns, Tokenizer, Math.Max(context - options.MaxNewTokens, (context + 1) / 2), ConversationOverflow.DropOldestTurns, cancellationToken);
        try
        {
            return template.RenderPrompt(turns, Tokenizer, context, cancellationToken: cancellationToken);
        }
        catch (PromptTooLongException tooLong)
        {
            // In the words of these options.
            throw new PromptTooLongException(tooLong.TokenCount, tooLong.Limit, $"Shorten the conversation, or set {nameof(options.PromptOverflow)} to {nameof(PromptOverflow.KeepTail)}, which leaves out the oldest exchanges.");
        }
    }

    /// <summary>The options of an answer: it ends at the end of the turn too.</summary>
    internal GenerationOptions ChatOptions(GenerationOptions options) =>
        options with { StopTokenIds = [.. options.StopTokenIds, RequireChatTemplate().EndOfTurnId(Tokenizer)] };
}

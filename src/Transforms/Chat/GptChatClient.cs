using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>A chat client over a <see cref="GptModel"/>. Thread-safe; keeps no conversation unless its options say so.</summary>
internal sealed class GptChatClient : IChatClient
{
    private readonly GptModel _model;
    private readonly GptChatClientOptions _options;
    private readonly ChatClientMetadata _metadata;
    private readonly ChatConversations _conversations;

    public GptChatClient(GptModel model, GptChatClientOptions options)
    {
        options.Validate();
        model.RequireChatTemplate();
        model.CheckStops(options.Generation);
        (_model, _options) = (model, options);
        _metadata = new ChatClientMetadata("MLNet.Gpt", providerUri: null, options.ModelId);
        _conversations = new ChatConversations(options.MaxConversations, options.ConversationFolder);
    }

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        // The messages are read, and turned into tokens, on a thread of the pool: the caller has its Task at once, and back at once when it cancels.
        GenerationOptions generation = ChatRequest.ToGeneration(options, _options, _model.Adapters);
        ICausalModel engine = _model.EngineFor(generation);
        ChatForm form = ChatForm.Of(options, _options.Tools);
        ArgumentNullException.ThrowIfNull(messages);
        using ChatConversations.Kept? kept = options?.ConversationId is { } id ? await _conversations.EnterAsync(id, cancellationToken).ConfigureAwait(false) : null;
        ChatMessage[] before = [.. kept?.Messages ?? []], asked = [];
        (ChatPrompt prompt, GeneratedSequence sequence) = await Task.Run(() =>
        {
            asked = [.. messages];
            ChatPrompt prompt = ChatPrompt.Create(_model, [.. before, .. asked], options, form, generation, _options, cancellationToken);
            return (prompt, Generate(engine, prompt, onToken: null, cancellationToken));
        }, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        IList<AIContent> contents = prompt.Read(_model.ToText(sequence, generation).Text, sequence.FinishReason);
        var answer = new ChatMessage(ChatRole.Assistant, contents) { MessageId = NewId() };
        kept?.Add([.. asked, answer]);
        return new ChatResponse(answer)
        {
            ResponseId = NewId(),
            ConversationId = options?.ConversationId,
            ModelId = options?.ModelId ?? _options.ModelId,
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = ReasonOf(sequence, contents),
            Usage = UsageOf(sequence),
        };
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        // Options and turns are checked by the call itself, not by the first step of the enumeration; what takes time, the tokens, waits for that.
        GenerationOptions generation = ChatRequest.ToGeneration(options, _options, _model.Adapters);
        ICausalModel engine = _model.EngineFor(generation);
        ChatForm form = ChatForm.Of(options, _options.Tools);
        ChatMessage[] asked = [.. messages ?? throw new ArgumentNullException(nameof(messages))];
        ChatTemplate template = _model.RequireChatTemplate();
        if (options?.ConversationId is null) template.CheckPrompt(ChatRequest.ToTurns(asked, options, form, _options.Tools, template));
        return Stream(engine, asked, options, form, generation, cancellationToken);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(GptModel) ? _model
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Does nothing: the model is the caller's.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(
        ICausalModel engine, ChatMessage[] asked, ChatOptions? options, ChatForm form, GenerationOptions generation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using ChatConversations.Kept? kept = options?.ConversationId is { } id ? await _conversations.EnterAsync(id, cancellationToken).ConfigureAwait(false) : null;
        ChatMessage[] all = [.. kept?.Messages ?? [], .. asked];
        string responseId = NewId(), messageId = NewId();
        GeneratedSequence? sequence = null;

        // Text is given as it comes; what may be a call waits until it is whole.
        ChatPrompt prompt = await Task.Run(() => ChatPrompt.Create(_model, all, options, form, generation, _options, cancellationToken), cancellationToken).ConfigureAwait(false);
        var text = new StringBuilder();
        int given = 0;
        await foreach (string piece in TextStream.Enumerate(_model, (onToken, stop) => Task.FromResult(Generate(engine, prompt, onToken, stop)), prompt.Generation, end => sequence = end, cancellationToken).ConfigureAwait(false))
        {
            text.Append(piece);
            if (given == 0 && prompt.MayBecomeCall(text.ToString())) continue;
            yield return Update([new TextContent(text.ToString(given, text.Length - given))], null);
            given = text.Length;
        }

        IList<AIContent> contents = prompt.Read(text.ToString(), sequence!.FinishReason);
        kept?.Add([.. asked, new ChatMessage(ChatRole.Assistant, contents) { MessageId = messageId }]);
        IList<AIContent> last = given == 0 ? [.. contents] : [];
        last.Add(new UsageContent(UsageOf(sequence)));
        yield return Update(last, ReasonOf(sequence, contents));

        ChatResponseUpdate Update(IList<AIContent> contents, ChatFinishReason? reason) => new(ChatRole.Assistant, contents)
        {
            ResponseId = responseId,
            MessageId = messageId,
            ConversationId = options?.ConversationId,
            ModelId = options?.ModelId ?? _options.ModelId,
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = reason,
        };
    }

    private GeneratedSequence Generate(ICausalModel engine, ChatPrompt prompt, Action<GeneratedToken>? onToken, CancellationToken cancellationToken) =>
        _model.GenerateTokens([[.. prompt.TokenIds]], prompt.Generation, onToken, cancellationToken, prompt.Constraint, engine)[0];

    private static ChatFinishReason ReasonOf(GeneratedSequence sequence, IList<AIContent> contents) =>
        contents.Any(static content => content is FunctionCallContent) ? ChatFinishReason.ToolCalls
            : sequence.FinishReason is FinishReason.StopToken or FinishReason.StopString ? ChatFinishReason.Stop : ChatFinishReason.Length;

    private static UsageDetails UsageOf(GeneratedSequence sequence) => new()
    {
        InputTokenCount = sequence.PromptTokenIds.Count,
        OutputTokenCount = sequence.TokenIds.Count,
        TotalTokenCount = sequence.PromptTokenIds.Count + sequence.TokenIds.Count,
    };

    private static string NewId() => Guid.NewGuid().ToString("N");
}

using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>A chat client over a <see cref="GptModel"/>. Thread-safe; keeps no conversation.</summary>
internal sealed class GptChatClient : IChatClient
{
    private readonly GptModel _model;
    private readonly GptChatClientOptions _options;
    private readonly ChatClientMetadata _metadata;

    public GptChatClient(GptModel model, GptChatClientOptions options)
    {
        options.Validate();
        model.RequireChatTemplate();
        model.CheckStops(options.Generation);
        (_model, _options) = (model, options);
        _metadata = new ChatClientMetadata("MLNet.Gpt", providerUri: null, options.ModelId);
    }

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        // Also the messages are read, and turned into tokens, on a thread of the pool: the caller has its Task at once, and back at once when it cancels.
        GenerationOptions generation = ChatRequest.ToGeneration(options, _options);
        ArgumentNullException.ThrowIfNull(messages);
        GeneratedSequence sequence = await Task.Run(() => _model.GenerateTokens(
            [Render(ChatRequest.ToTurns(messages, options), generation, cancellationToken)], _model.ChatOptions(generation), onToken: null, cancellationToken)[0], cancellationToken)
            .WaitAsync(cancellationToken).ConfigureAwait(false);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, _model.ToText(sequence, generation).Text) { MessageId = NewId() })
        {
            ResponseId = NewId(),
            ModelId = _options.ModelId,
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = ReasonOf(sequence),
            Usage = UsageOf(sequence),
        };
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        // Options and turns are checked by the call itself, not by the first step of the enumeration; what takes time, the tokens, waits for that.
        GenerationOptions generation = ChatRequest.ToGeneration(options, _options);
        IReadOnlyList<ConversationTurn> turns = ChatRequest.ToTurns(messages, options);
        _model.RequireChatTemplate().CheckPrompt(turns);
        return Stream(turns, generation, cancellationToken);
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

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(IReadOnlyList<ConversationTurn> turns, GenerationOptions generation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string responseId = NewId(), messageId = NewId();
        GeneratedSequence? sequence = null;
        await foreach (string piece in TextStream.Enumerate(
            _model, stop => Render(turns, generation, stop), _model.ChatOptions(generation), end => sequence = end, cancellationToken).ConfigureAwait(false))
            yield return Update([new TextContent(piece)], null);
        yield return Update([new UsageContent(UsageOf(sequence!))], ReasonOf(sequence!));

        ChatResponseUpdate Update(IList<AIContent> contents, ChatFinishReason? reason) => new(ChatRole.Assistant, contents)
        {
            ResponseId = responseId,
            MessageId = messageId,
            ModelId = _options.ModelId,
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = reason,
        };
    }

    private int[] Render(IReadOnlyList<ConversationTurn> turns, GenerationOptions generation, CancellationToken cancellationToken) =>
        [.. _model.RenderPrompt(turns, generation, cancellationToken).TokenIds];

    private static ChatFinishReason ReasonOf(GeneratedSequence sequence) =>
        sequence.FinishReason is FinishReason.StopToken or FinishReason.StopString ? ChatFinishReason.Stop : ChatFinishReason.Length;

    private static UsageDetails UsageOf(GeneratedSequence sequence) => new()
    {
        InputTokenCount = sequence.PromptTokenIds.Count,
        OutputTokenCount = sequence.TokenIds.Count,
        TotalTokenCount = sequence.PromptTokenIds.Count + sequence.TokenIds.Count,
    };

    private static string NewId() => Guid.NewGuid().ToString("N");
}

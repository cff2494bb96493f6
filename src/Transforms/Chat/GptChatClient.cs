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
        (_model, _options) = (model, options);
        _metadata = new ChatClientMetadata("MLNet.Gpt", providerUri: null, options.ModelId);
    }

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        (int[] prompt, GenerationOptions generation) = Prepare(messages, options);
        GeneratedSequence sequence = await Task.Run(() => _model.GenerateTokens([prompt], generation, onToken: null, cancellationToken)[0], cancellationToken).ConfigureAwait(false);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, _model.ToText(sequence).Text) { MessageId = NewId() })
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
        // The arguments are checked by the call itself, not by the first step of the enumeration.
        (int[] prompt, GenerationOptions generation) = Prepare(messages, options);
        return Stream(prompt, generation, cancellationToken);
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

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(int[] prompt, GenerationOptions generation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string responseId = NewId(), messageId = NewId();
        GeneratedSequence? sequence = null;
        await foreach (string piece in TextStream.Enumerate(_model, () => prompt, generation, end => sequence = end, cancellationToken).ConfigureAwait(false))
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

    private (int[] Prompt, GenerationOptions Generation) Prepare(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        GenerationOptions generation = ChatRequest.ToGeneration(options, _options);
        RenderedConversation prompt = _model.RenderPrompt(ChatRequest.ToTurns(messages, options), generation);
        return ([.. prompt.TokenIds], _model.ChatOptions(generation));
    }

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

using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace MLNet.Gpt;

/// <summary>
/// A chat client that looks up passages for the last question of a conversation and puts them before it, as a system message at the beginning; where the client behind it keeps the conversation (a call with a
/// <see cref="ChatOptions.ConversationId"/>), into the call's <see cref="ChatOptions.Instructions"/>, which are not kept.
/// </summary>
/// <typeparam name="TRecord">The records of the collection.</typeparam>
/// <remarks>Thread-safe where the inner client and the collection are. Of a conversation's messages nothing is lost; without a question, or without a passage that fits, they go on as they are.</remarks>
public sealed class RetrievalChatClient<TRecord> : DelegatingChatClient
    where TRecord : class
{
    private readonly IVectorSearchable<TRecord> _passages;
    private readonly Func<TRecord, string> _text;
    private readonly Func<string, int> _count;
    private readonly RetrievalOptions _options;

    /// <summary>Creates the client.</summary>
    /// <param name="inner">The client that answers; disposed with this one.</param>
    /// <param name="passages">The collection, which makes vectors of questions itself.</param>
    /// <param name="text">A record's passage.</param>
    /// <param name="tokenizer">Counts the tokens of passages.</param>
    /// <param name="options">How many passages, and how they are told; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public RetrievalChatClient(IChatClient inner, IVectorSearchable<TRecord> passages, Func<TRecord, string> text, GptTokenizer tokenizer, RetrievalOptions? options = null)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(passages);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(tokenizer);
        _passages = passages;
        _text = text;
        _count = passage => tokenizer.Encode(passage, SpecialTokenHandling.AsText).Length;
        _options = options ?? new RetrievalOptions();
        _options.Validate();
    }

    /// <inheritdoc/>
    public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        (IReadOnlyList<ChatMessage> all, ChatOptions? own) = await WithPassages(messages, options, cancellationToken).ConfigureAwait(false);
        return await base.GetResponseAsync(all, own, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        (IReadOnlyList<ChatMessage> all, ChatOptions? own) = await WithPassages(messages, options, cancellationToken).ConfigureAwait(false);
        await foreach (ChatResponseUpdate update in base.GetStreamingResponseAsync(all, own, cancellationToken).ConfigureAwait(false)) yield return update;
    }

    private async Task<(IReadOnlyList<ChatMessage> Messages, ChatOptions? Options)> WithPassages(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatMessage[] all = [.. messages];
        string? question = all.LastOrDefault(static message => message.Role == ChatRole.User)?.Text;
        if (string.IsNullOrWhiteSpace(question)) return (all, options);
        List<string> found = [];
        await foreach (VectorSearchResult<TRecord> result in _passages.SearchAsync(question, _options.Top, new() { ScoreThreshold = _options.ScoreThreshold }, cancellationToken).ConfigureAwait(false))
            found.Add(_text(result.Record));
        (string context, IReadOnlyList<int> taken) = ContextBudget.Fill(found, _options.Separator, _options.MaxTokens, _count);
        if (taken.Count == 0) return (all, options);
        string told = _options.Introduction + context;
        if (options?.ConversationId is null) return ([new ChatMessage(ChatRole.System, told), .. all], options);

        // What is kept has its beginning already; a system message behind it would stand in its middle, and stay there for the next questions.
        ChatOptions own = options.Clone();
        own.Instructions = string.IsNullOrEmpty(own.Instructions) ? told : $"{own.Instructions}\n\n{told}";
        return (all, own);
    }
}

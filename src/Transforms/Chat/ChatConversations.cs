using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>The conversations that a client keeps, by id. Thread-safe; calls of one conversation come one after another.</summary>
internal sealed class ChatConversations(int most)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<(string Id, Kept Conversation)> _kept = new(); // the one used last is first

    /// <summary>Waits until a conversation is free and gives it. An id that is not known begins one.</summary>
    public async Task<Kept> EnterAsync(string id, CancellationToken cancellationToken)
    {
        Kept conversation;
        lock (_gate)
        {
            LinkedListNode<(string Id, Kept Conversation)>? node = _kept.First;
            while (node is not null && node.Value.Id != id) node = node.Next;
            if (node is null) node = new((id, new Kept()));
            else _kept.Remove(node);
            _kept.AddFirst(node);
            if (_kept.Count > most) _kept.RemoveLast();
            conversation = node.Value.Conversation;
        }

        await conversation.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        return conversation;
    }

    /// <summary>One conversation; dispose it to let the next call in.</summary>
    internal sealed class Kept : IDisposable
    {
        public SemaphoreSlim Turn { get; } = new(1);

        public List<ChatMessage> Messages { get; } = [];

        public void Dispose() => Turn.Release();
    }
}

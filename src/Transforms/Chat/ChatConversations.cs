using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>The conversations that a client keeps, by id, in memory and, where it is told to, in files. Thread-safe; calls of one conversation come one after another.</summary>
/// <param name="most">The most in memory.</param>
/// <param name="folder">Where the files are; null for none.</param>
internal sealed class ChatConversations(int most, string? folder)
{
    private const int Version = 1;

    private static readonly JsonSerializerOptions Json = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    private readonly Lock _gate = new();
    private readonly LinkedList<(string Id, Kept Conversation)> _kept = new(); // the one used last is first

    /// <summary>Waits until a conversation is free and gives it. An id that is not known begins one.</summary>
    /// <exception cref="CorruptFileException">The conversation's file is none, or is of another conversation.</exception>
    public async Task<Kept> EnterAsync(string id, CancellationToken cancellationToken)
    {
        Kept conversation;
        lock (_gate)
        {
            LinkedListNode<(string Id, Kept Conversation)>? node = _kept.First;
            while (node is not null && node.Value.Id != id) node = node.Next;
            if (node is null) node = new((id, new Kept(id, PathOf(id))));
            else _kept.Remove(node);
            _kept.AddFirst(node);
            if (_kept.Count > most) _kept.RemoveLast();
            conversation = node.Value.Conversation;
        }

        await conversation.EnterAsync(cancellationToken).ConfigureAwait(false);
        return conversation;
    }

    // An id is any text: it must not become a path.
    private string? PathOf(string id) => folder is null ? null : Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id))) + ".json");

    /// <summary>One conversation; dispose it to let the next call in.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="path">Its file; null for none.</param>
    internal sealed class Kept(string id, string? path) : IDisposable
    {
        private readonly SemaphoreSlim _turn = new(1);
        private List<ChatMessage>? _messages;   // null until the file has been looked at

        /// <summary>What has been said.</summary>
        public IReadOnlyList<ChatMessage> Messages => _messages ?? [];

        /// <summary>Waits until no other call is in it.</summary>
        public async Task EnterAsync(CancellationToken cancellationToken)
        {
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _messages ??= path is not null && File.Exists(path) ? Read(path) : [];
            }
            catch
            {
                _turn.Release();
                throw;
            }
        }

        /// <summary>Keeps what was said: in the file first, which is replaced as a whole.</summary>
        /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
        /// <exception cref="DiskFullException">There is no room.</exception>
        public void Add(IReadOnlyList<ChatMessage> messages)
        {
            List<ChatMessage> all = [.. Messages, .. messages];
            if (path is not null) AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, new Contents(Version, id, all), Json));
            _messages = all;
        }

        /// <inheritdoc/>
        public void Dispose() => _turn.Release();

        private List<ChatMessage> Read(string file)
        {
            try
            {
                var contents = StrictJson.Deserialize<Contents>(File.ReadAllBytes(file), Json);
                if (contents.Version != Version) throw Corrupt($"its version is {contents.Version}; this library reads version {Version}.");
                if (contents.Id != id) throw Corrupt($"it is the conversation '{contents.Id}', and '{id}' is asked for.");
                return contents.Messages is { } messages && !messages.Contains(null!) ? messages : throw Corrupt("it has no messages.");
            }
            catch (Exception exception) when (exception is JsonException or NotSupportedException)
            {
                throw Corrupt($"it is no conversation ({exception.Message.TrimEnd('.')}).", exception);
            }

            CorruptFileException Corrupt(string problem, Exception? innerException = null) => new(file, problem, "Restore the file, or delete it to begin the conversation anew.", innerException);
        }
    }

    private sealed record Contents(int Version, string Id, List<ChatMessage> Messages);
}

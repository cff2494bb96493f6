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

    // The arguments of a call stand some levels below the file's own.
    private static readonly JsonSerializerOptions Json = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false, MaxDepth = 2 * StrictJson.MaxDepth };

    private readonly Lock _gate = new();
    private readonly LinkedList<Kept> _kept = new(); // the one used last is first

    /// <summary>Waits until a conversation is free and gives it. An id that is not known begins one.</summary>
    /// <exception cref="CorruptFileException">The conversation's file is none, or is of another conversation.</exception>
    public async Task<Kept> EnterAsync(string id, CancellationToken cancellationToken)
    {
        LinkedListNode<Kept>? node;
        lock (_gate)
        {
            node = _kept.First;
            while (node is not null && node.Value.Id != id) node = node.Next;
            if (node is null) node = new(new Kept(this, id, PathOf(id)));
            else _kept.Remove(node);
            _kept.AddFirst(node);
            node.Value.Callers++;
            LetGo();
        }

        try
        {
            await node.Value.EnterAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Leave(node.Value);
            throw;
        }

        return node.Value;
    }

    private void Leave(Kept conversation)
    {
        lock (_gate)
        {
            conversation.Callers--;
            LetGo();
        }
    }

    // Never one that a call is in or waits for: the next call with its id would begin a second one, which knows nothing of what the first is being told.
    private void LetGo()
    {
        for (LinkedListNode<Kept>? node = _kept.Last; node is not null && _kept.Count > most;)
        {
            LinkedListNode<Kept> last = node;
            node = node.Previous;
            if (last.Value.Callers == 0) _kept.Remove(last);
        }
    }

    // An id is any text: it must not become a path.
    private string? PathOf(string id) => folder is null ? null : Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id))) + ".json");

    /// <summary>One conversation; dispose it to let the next call in.</summary>
    /// <param name="owner">Those that it is one of.</param>
    /// <param name="id">Its id.</param>
    /// <param name="path">Its file; null for none.</param>
    internal sealed class Kept(ChatConversations owner, string id, string? path) : IDisposable
    {
        private readonly SemaphoreSlim _turn = new(1);
        private List<ChatMessage>? _messages;   // null until the file has been looked at

        /// <summary>Its id.</summary>
        public string Id => id;

        /// <summary>The calls that are in it or wait for it; under the owner's lock.</summary>
        public int Callers { get; set; }

        /// <summary>What has been said.</summary>
        public IReadOnlyList<ChatMessage> Messages => _messages ?? [];

        /// <summary>Waits until no other call is in it.</summary>
        public async Task EnterAsync(CancellationToken cancellationToken)
        {
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _messages ??= path is not null ? Read(path) : [];
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
        public void Dispose()
        {
            _turn.Release();
            owner.Leave(this);
        }

        // A file that is not there, or is being deleted, is a conversation that begins.
        private List<ChatMessage> Read(string file)
        {
            try
            {
                var contents = StrictJson.Deserialize<Contents>(File.ReadAllBytes(file), Json);
                if (contents.Version != Version) throw Corrupt($"its version is {contents.Version}; this library reads version {Version}.");
                if (contents.Id != id) throw Corrupt($"it is the conversation '{contents.Id}', and '{id}' is asked for.");
                return contents.Messages is { } messages && !messages.Contains(null!) ? messages : throw Corrupt("it has no messages.");
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                return [];
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

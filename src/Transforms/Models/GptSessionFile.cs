using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Writes and reads the file of a <see cref="GptSession"/> (docs/file-formats.md): what was said, as JSON, then the decoder's state.</summary>
internal static class GptSessionFile
{
    private const int Version = 1, HeaderBytes = 16;
    private const string Remedy = "Save the session again, or begin it anew from its text.";

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
    };

    private static ReadOnlySpan<byte> Magic => "MLGPTSES"u8;

    /// <summary>Writes a session.</summary>
    /// <param name="target">The stream.</param>
    /// <param name="tokenizerHash">The tokenizer's hash.</param>
    /// <param name="tokens">All tokens.</param>
    /// <param name="turns">The turns of a conversation.</param>
    /// <param name="decoder">What has seen the first of the tokens; null where none has been computed.</param>
    public static void Write(Stream target, string tokenizerHash, int[] tokens, IReadOnlyList<ConversationTurn> turns, ISavableDecoder? decoder)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (!target.CanWrite) throw new ArgumentException("The stream can't be written; pass one that can.", nameof(target));
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(new Contents(tokenizerHash, tokens, ConversationJson.Write(turns), decoder is not null), Options);
        byte[] head = new byte[HeaderBytes + json.Length];
        Magic.CopyTo(head);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(Magic.Length), Version);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(Magic.Length + sizeof(int)), json.Length);
        json.CopyTo(head.AsSpan(HeaderBytes));
        target.Write(head);
        target.Write(SHA256.HashData(head));
        decoder?.Save(target);
    }

    /// <summary>Reads a session.</summary>
    /// <exception cref="CorruptFileException">It is no session, or a damaged one.</exception>
    /// <exception cref="TokenizerMismatchException">It was saved with another tokenizer.</exception>
    /// <exception cref="StateMismatchException">It is another model's.</exception>
    public static GptSession Read(GptModel model, Stream source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!source.CanRead || !source.CanSeek) throw new ArgumentException("The stream can't be read, or can't seek; copy what it holds into a file or into memory first.", nameof(source));
        string name = (source as FileStream)?.Name ?? "the stream";

        // 1. What was said.
        long start = source.Position, available = source.Length - start;
        byte[] header = new byte[HeaderBytes];
        if (available < HeaderBytes) throw Corrupt($"it has {available} bytes where the {HeaderBytes} of a session's header are expected.");
        source.ReadExactly(header);
        if (!header.AsSpan().StartsWith(Magic)) throw Corrupt($"it doesn't begin with {System.Text.Encoding.ASCII.GetString(Magic)}; it is no saved session.");
        int version = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(Magic.Length)), length = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(Magic.Length + sizeof(int)));
        if (version != Version) throw Corrupt($"its version is {version}; this library reads version {Version}.");
        if (length < 0 || length > available - HeaderBytes - SHA256.HashSizeInBytes) throw Corrupt($"it is cut short: its text is said to have {length} bytes, and {available} are there in all.");
        byte[] head = [.. header, .. new byte[length]], written = new byte[SHA256.HashSizeInBytes];
        source.ReadExactly(head.AsSpan(HeaderBytes));
        source.ReadExactly(written);
        if (!SHA256.HashData(head).AsSpan().SequenceEqual(written)) throw Corrupt("it is damaged: the SHA-256 of its text is not the one that was written.");
        (Contents contents, IReadOnlyList<ConversationTurn> turns) = Parse(head.AsMemory(HeaderBytes), name);
        if (contents.Tokenizer != model.Tokenizer.Hash)
            throw new TokenizerMismatchException(name, $"the tokenizer {contents.Tokenizer}", $"the tokenizer {model.Tokenizer.Hash}", "Restore it with the model that it was saved with.");
        foreach (int id in contents.Tokens)
        {
            if ((uint)id >= (uint)model.Config.VocabularySize) throw Corrupt($"it holds the token {id}; the model has {model.Config.VocabularySize}.");
        }

        // 2. What has been computed of it.
        if (!contents.HasState) return new(model, turns, contents.Tokens, decoder: null);
        if (model.Engine is not IResumableModel resumable)
            throw new UnsupportedOptionException("engine", model.Engine.GetType().Name, $"It is no {nameof(IResumableModel)}, so that a saved state can't be taken up; begin anew from the text.");
        ISavableDecoder decoder = resumable.ResumeDecoding(source, model.Config.ContextLength);
        if (decoder.RowCount == 1 && decoder.Length <= contents.Tokens.Length) return new(model, turns, contents.Tokens, decoder);
        using (decoder) throw Corrupt($"its state has {decoder.RowCount} rows of {decoder.Length} positions for one text of {contents.Tokens.Length} tokens.");

        CorruptFileException Corrupt(string problem) => new(name, problem, Remedy);
    }

    private static (Contents Contents, IReadOnlyList<ConversationTurn> Turns) Parse(ReadOnlyMemory<byte> json, string name)
    {
        try
        {
            var contents = StrictJson.Deserialize<Contents>(json, Options);
            return (contents, ConversationJson.Parse(contents.Turns));
        }
        catch (Exception exception) when (exception is JsonException or ConversationException)
        {
            throw new CorruptFileException(name, $"its text is not understood ({exception.Message.TrimEnd('.')}).", Remedy, exception);
        }
    }

    private sealed record Contents(string Tokenizer, int[] Tokens, string Turns, bool HasState);
}

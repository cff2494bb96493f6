using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace MLNet.Gpt;

/// <summary>What a tokenizer is: its kind, its tokens by id, its merges in order, its special tokens. Checked and immutable.</summary>
internal sealed class TokenizerDefinition
{
    private TokenizerDefinition(GptTokenizerKind kind, string[] tokens, (int Left, int Right)[] merges, FrozenDictionary<string, int> specialTokens)
    {
        Kind = kind;
        Tokens = tokens;
        Merges = merges;
        SpecialTokens = specialTokens;
        TokenBytes = new byte[tokens.Length][];
        IsSpecial = new bool[tokens.Length];
        foreach (int id in specialTokens.Values) IsSpecial[id] = true;
        for (int id = 0; id < tokens.Length; id++)
        {
            TokenBytes[id] = kind == GptTokenizerKind.ByteLevelBpe && !IsSpecial[id] ? ByteAlphabet.ToBytes(tokens[id])! : Encoding.UTF8.GetBytes(tokens[id]);
        }
    }

    public GptTokenizerKind Kind { get; }

    /// <summary>The tokens by id: in the byte alphabet or, special tokens and characters, as they are.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>The bytes that each token stands for, by id.</summary>
    public byte[][] TokenBytes { get; }

    /// <summary>Whether each token is special, by id.</summary>
    public bool[] IsSpecial { get; }

    /// <summary>The merges as pairs of token ids, in order of priority.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges { get; }

    public FrozenDictionary<string, int> SpecialTokens { get; }

    /// <summary>Checks the parts of a tokenizer and puts them together.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="vocabulary">Every token with its id, special ones included.</param>
    /// <param name="merges">The merges as pairs of tokens.</param>
    /// <param name="specialTokens">The tokens that are special.</param>
    /// <param name="source">The file that they come from, for messages.</param>
    /// <param name="mergesSource">The file that the merges come from, where it is another.</param>
    /// <exception cref="CorruptFileException">The parts don't make a tokenizer.</exception>
    public static TokenizerDefinition Create(
        GptTokenizerKind kind,
        IReadOnlyCollection<KeyValuePair<string, long>> vocabulary,
        IReadOnlyCollection<(string Left, string Right)> merges,
        IReadOnlyCollection<string> specialTokens,
        string source,
        string? mergesSource = null)
    {
        string[] tokens = OrderById(vocabulary, source);
        var ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++)
        {
            if (!ids.TryAdd(tokens[id], id)) throw Corrupt(source, $"token '{tokens[id]}' has the ids {ids[tokens[id]]} and {id}.");
        }

        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string token in specialTokens)
        {
            special[token] = ids.TryGetValue(token, out int id) ? id : throw Corrupt(source, $"special token '{token}' has no id.");
        }

        if (!special.ContainsKey(GptTokenizer.EndOfText))
        {
            throw Corrupt(source, $"it has no special token '{GptTokenizer.EndOfText}', which separates documents and ends a generated text.");
        }

        if (kind == GptTokenizerKind.ByteLevelBpe) CheckByteTokens(tokens, ids, special, source);
        else CheckCharacterTokens(tokens, special, merges.Count, source);
        return new TokenizerDefinition(kind, tokens, ResolveMerges(merges, ids, special, mergesSource ?? source), special.ToFrozenDictionary(StringComparer.Ordinal));
    }

    /// <summary>A SHA-256 over kind, tokens, special tokens and merges, in lower-case hex.</summary>
    public string ComputeHash()
    {
        // Every number is a little-endian int32 and every text is preceded by its length, so that no two definitions give the same bytes.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("MLNet.Gpt tokenizer 1"u8);
        Append((int)Kind);
        Append(Tokens.Count);
        for (int id = 0; id < Tokens.Count; id++)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(Tokens[id]);
            Append(IsSpecial[id] ? 1 : 0);
            Append(utf8.Length);
            hash.AppendData(utf8);
        }

        Append(Merges.Count);
        foreach ((int left, int right) in Merges)
        {
            Append(left);
            Append(right);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(int value)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            hash.AppendData(bytes);
        }
    }

    // V tokens have the ids 0 to V-1, each once.
    private static string[] OrderById(IReadOnlyCollection<KeyValuePair<string, long>> vocabulary, string source)
    {
        var tokens = new string?[vocabulary.Count];
        foreach ((string token, long id) in vocabulary)
        {
            if (token.Length == 0) throw Corrupt(source, $"the token of id {id} is empty.");
            if (id < 0 || id >= tokens.Length)
            {
                throw Corrupt(source, $"token '{token}' has id {id}, but {tokens.Length} tokens must have the ids 0 to {tokens.Length - 1}: the id is wrong, or there is a gap below it.");
            }

            if (tokens[id] is { } other) throw Corrupt(source, $"tokens '{other}' and '{token}' have the same id {id}.");
            tokens[id] = token;
        }

        return tokens!; // V distinct ids below V leave none out
    }

    private static void CheckByteTokens(string[] tokens, Dictionary<string, int> ids, Dictionary<string, int> special, string source)
    {
        for (int id = 0; id < tokens.Length; id++)
        {
            if (!special.ContainsKey(tokens[id]) && ByteAlphabet.ToBytes(tokens[id]) is null)
            {
                throw Corrupt(source, $"token {id}, '{tokens[id]}', has a character outside GPT-2's byte alphabet and isn't special.");
            }
        }

        for (int value = 0; value < 256; value++)
        {
            string symbol = ByteAlphabet.ToCharacter((byte)value).ToString();
            if (!ids.ContainsKey(symbol) || special.ContainsKey(symbol))
            {
                throw Corrupt(source, $"it has no token for byte 0x{value:X2} ('{symbol}' in GPT-2's byte alphabet), so that some texts could not be encoded.");
            }
        }
    }

    private static void CheckCharacterTokens(string[] tokens, Dictionary<string, int> special, int mergeCount, string source)
    {
        if (mergeCount > 0) throw Corrupt(source, $"it is a character vocabulary, but has {mergeCount} merges.");
        for (int id = 0; id < tokens.Length; id++)
        {
            bool single = Rune.DecodeFromUtf16(tokens[id], out _, out int units) == System.Buffers.OperationStatus.Done && units == tokens[id].Length;
            if (!single && !special.ContainsKey(tokens[id])) throw Corrupt(source, $"token {id}, '{tokens[id]}', of a character vocabulary isn't one character and isn't special.");
        }
    }

    private static (int Left, int Right)[] ResolveMerges(
        IReadOnlyCollection<(string Left, string Right)> merges, Dictionary<string, int> ids, Dictionary<string, int> special, string source)
    {
        var resolved = new List<(int Left, int Right)>(merges.Count);
        var seen = new HashSet<(int, int)>(merges.Count);
        foreach ((string left, string right) in merges)
        {
            (int Left, int Right) pair = (IdOf(left), IdOf(right));
            IdOf(left + right);
            if (!seen.Add(pair)) throw Corrupt(source, $"merge '{left} {right}' occurs twice.");
            resolved.Add(pair);

            int IdOf(string token)
            {
                if (!ids.TryGetValue(token, out int id)) throw Corrupt(source, $"merge {resolved.Count}, '{left} {right}', needs token '{token}', which the vocabulary lacks.");
                if (special.ContainsKey(token)) throw Corrupt(source, $"merge {resolved.Count}, '{left} {right}', needs token '{token}', which is special and so never part of a merge.");
                return id;
            }
        }

        return [.. resolved];
    }

    private static CorruptFileException Corrupt(string source, string problem) =>
        new(source, problem, "Copy the tokenizer's files again from where they come from.");
}

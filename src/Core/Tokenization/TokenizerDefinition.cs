using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace MLNet.Gpt;

/// <summary>What a tokenizer is: its kind, its tokens by id, its merges in order, its special tokens. Checked and immutable.</summary>
internal sealed class TokenizerDefinition
{
    private TokenizerDefinition(
        GptTokenizerKind kind, string[] tokens, (int Left, int Right)[] merges, FrozenDictionary<string, int> specialTokens, FrozenDictionary<string, int> addedTokens)
    {
        Kind = kind;
        Tokens = tokens;
        Merges = merges;
        SpecialTokens = specialTokens;
        AddedTokens = addedTokens;
        TokenBytes = new byte[tokens.Length][];
        IsSpecial = new bool[tokens.Length];
        IsWhole = new bool[tokens.Length];
        foreach (int id in specialTokens.Values) IsSpecial[id] = IsWhole[id] = true;
        foreach (int id in addedTokens.Values) IsWhole[id] = true;
        for (int id = 0; id < tokens.Length; id++)
        {
            TokenBytes[id] = kind == GptTokenizerKind.ByteLevelBpe && !IsWhole[id] ? ByteAlphabet.ToBytes(tokens[id])! : Encoding.UTF8.GetBytes(tokens[id]);
        }
    }

    public GptTokenizerKind Kind { get; }

    /// <summary>The tokens by id: in the byte alphabet or, special and added tokens and characters, as they are.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>The bytes that each token stands for, by id.</summary>
    public byte[][] TokenBytes { get; }

    /// <summary>Whether each token is special, by id.</summary>
    public bool[] IsSpecial { get; }

    /// <summary>Whether each token is found in text as a whole, by id: the special and the added ones.</summary>
    public bool[] IsWhole { get; }

    /// <summary>The merges as pairs of token ids, in order of priority.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges { get; }

    public FrozenDictionary<string, int> SpecialTokens { get; }

    /// <summary>The tokens that are found in text as a whole, whoever wrote it, and are not special: they are text, and decoded as such.</summary>
    public FrozenDictionary<string, int> AddedTokens { get; }

    /// <summary>Checks the parts of a tokenizer and puts them together.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="vocabulary">Every token once with its id, special and added ones included.</param>
    /// <param name="merges">The merges as pairs of tokens.</param>
    /// <param name="specialTokens">The tokens that are special.</param>
    /// <param name="source">The file that they come from, for messages.</param>
    /// <param name="mergesSource">The file that the merges come from, where it is another.</param>
    /// <param name="addedTokens">The tokens that are found in text as a whole without being special; null (the default) where there are none.</param>
    /// <exception cref="CorruptFileException">The parts don't make a tokenizer.</exception>
    /// <exception cref="UnsupportedTokenizerException">They make one that this library would get wrong.</exception>
    public static TokenizerDefinition Create(
        GptTokenizerKind kind,
        IReadOnlyCollection<KeyValuePair<string, long>> vocabulary,
        IReadOnlyCollection<(string Left, string Right)> merges,
        IReadOnlyCollection<string> specialTokens,
        string source,
        string? mergesSource = null,
        IReadOnlyCollection<string>? addedTokens = null)
    {
        string[] tokens = OrderById(vocabulary, source);
        var ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++) ids.Add(tokens[id], id);
        Dictionary<string, int> special = Find(specialTokens), added = Find((addedTokens ?? []).Except(specialTokens));
        if (!special.ContainsKey(GptTokenizer.EndOfText))
        {
            throw new UnsupportedTokenizerException(
                source, "special tokens", $"without '{GptTokenizer.EndOfText}'", $"with '{GptTokenizer.EndOfText}', which separates documents and ends a generated text",
                "Add it to the vocabulary and to the special tokens, at the id that the model ends its texts with.");
        }

        bool IsWhole(string token) => special.ContainsKey(token) || added.ContainsKey(token);
        if (kind == GptTokenizerKind.ByteLevelBpe) CheckByteTokens(tokens, ids, IsWhole, source);
        else CheckCharacterTokens(tokens, IsWhole, merges.Count, source);
        return new TokenizerDefinition(
            kind, tokens, ResolveMerges(merges, ids, IsWhole, source, mergesSource ?? source), special.ToFrozenDictionary(StringComparer.Ordinal), added.ToFrozenDictionary(StringComparer.Ordinal));

        Dictionary<string, int> Find(IEnumerable<string> names) => names.ToDictionary(static token => token, token => ids[token], StringComparer.Ordinal);
    }

    /// <summary>A SHA-256 over kind, tokens, special and added tokens and merges, in lower-case hex.</summary>
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
            Append(IsSpecial[id] ? 1 : IsWhole[id] ? 2 : 0);
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
        var beyond = new Dictionary<long, string>(); // ids from V on: each leaves a gap below V
        foreach ((string token, long id) in vocabulary)
        {
            if (token.Length == 0) throw Corrupt(source, $"the token of id {id} is empty.");
            if (id is < 0 or > int.MaxValue) throw Corrupt(source, $"token '{token}' has id {id}, which isn't one from 0 to {int.MaxValue}.");
            string? other = id < tokens.Length ? tokens[id] : beyond.GetValueOrDefault(id);
            if (other is not null) throw Corrupt(source, $"tokens '{other}' and '{token}' have the same id {id}.");
            if (id < tokens.Length) tokens[id] = token;
            else beyond.Add(id, token);
        }

        if (beyond.Count > 0)
        {
            (long last, string token) = beyond.MaxBy(pair => pair.Key);
            throw new UnsupportedTokenizerException(
                source, "ids", $"none for id {Array.IndexOf(tokens, null)}, though '{token}' has id {last}", $"{tokens.Length} tokens with the ids 0 to {tokens.Length - 1}",
                "Give the special tokens that have the missing ids, with the file or as an argument.");
        }

        return tokens!; // V distinct ids below V leave none out
    }

    private static void CheckByteTokens(string[] tokens, Dictionary<string, int> ids, Func<string, bool> isWhole, string source)
    {
        for (int id = 0; id < tokens.Length; id++)
        {
            if (!isWhole(tokens[id]) && ByteAlphabet.ToBytes(tokens[id]) is null)
            {
                throw new UnsupportedTokenizerException(source, $"token {id}", $"'{tokens[id]}', which has a character outside GPT-2's byte alphabet and isn't an added token", "a token of that alphabet");
            }
        }

        for (int value = 0; value < 256; value++)
        {
            string symbol = ByteAlphabet.ToCharacter((byte)value).ToString();
            if (ids.ContainsKey(symbol)) RequireOneMeaning(symbol, isWhole, source);
            else if (value is not (0xC0 or 0xC1 or >= 0xF5)) // these UTF-8 never has
            {
                throw new UnsupportedTokenizerException(
                    source, "vocabulary", $"without a token for byte 0x{value:X2} ('{symbol}' in GPT-2's byte alphabet)", "a token for each byte that UTF-8 has, so that every text can be encoded",
                    "Add the token, or train a vocabulary with all bytes; without it texts with that byte would lose it.");
            }
        }
    }

    private static void CheckCharacterTokens(string[] tokens, Func<string, bool> isWhole, int mergeCount, string source)
    {
        if (mergeCount > 0) throw Corrupt(source, $"it is a character vocabulary, but has {mergeCount} merges.");
        for (int id = 0; id < tokens.Length; id++)
        {
            bool single = Rune.DecodeFromUtf16(tokens[id], out _, out int units) == System.Buffers.OperationStatus.Done && units == tokens[id].Length;
            if (!single && !isWhole(tokens[id])) throw Corrupt(source, $"token {id}, '{tokens[id]}', of a character vocabulary isn't one character and isn't an added token.");
        }
    }

    private static (int Left, int Right)[] ResolveMerges(
        IReadOnlyCollection<(string Left, string Right)> merges, Dictionary<string, int> ids, Func<string, bool> isWhole, string source, string mergesSource)
    {
        var resolved = new List<(int Left, int Right)>(merges.Count);
        var seen = new HashSet<(int, int)>(merges.Count);
        foreach ((string left, string right) in merges)
        {
            (int Left, int Right) pair = (IdOf(left), IdOf(right));
            IdOf(left + right);
            if (!seen.Add(pair)) throw Corrupt(mergesSource, $"merge '{left} {right}' occurs twice.");
            resolved.Add(pair);

            int IdOf(string token)
            {
                if (!ids.TryGetValue(token, out int id)) throw Corrupt(mergesSource, $"merge {resolved.Count}, '{left} {right}', needs token '{token}', which the vocabulary lacks.");
                if (ByteAlphabet.ToBytes(token) is null)
                {
                    throw new UnsupportedTokenizerException(mergesSource, $"merge {resolved.Count}", $"'{left} {right}' with '{token}', which has a character outside GPT-2's byte alphabet", "merges of tokens of that alphabet");
                }

                RequireOneMeaning(token, isWhole, source);
                return id;
            }
        }

        return [.. resolved];
    }

    // A special token is found in text as it is written; a byte's token or a merge's stands for bytes. Both at once need the same bytes.
    private static void RequireOneMeaning(string token, Func<string, bool> isWhole, string source)
    {
        if (!isWhole(token) || ByteAlphabet.ToBytes(token) is not { } bytes || bytes.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(token))) return;
        throw new UnsupportedTokenizerException(
            source, "special tokens", $"'{token}', which also is the vocabulary's token for the bytes {Convert.ToHexString(bytes)}", "special tokens that stand for one text",
            "Choose another text for the special token, such as '<|name|>'.");
    }

    private static CorruptFileException Corrupt(string source, string problem) =>
        new(source, problem, "Copy the tokenizer's files again from where they come from.");
}

using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt;

/// <summary>
/// A GPT's tokenizer: text to token ids and back, its special tokens, its files. Byte-level BPE as GPT-2's
/// (Radford et al. 2019, section 2.2), which loses nothing of any well-formed Unicode text, or one token for each character.
/// </summary>
/// <remarks>
/// Immutable; may be used from several threads. A lone surrogate, which is not well-formed Unicode and has no UTF-8 form, is
/// encoded as U+FFFD, the replacement character, just as <see cref="Encoding.UTF8"/> does.
/// </remarks>
public sealed partial class GptTokenizer
{
    /// <summary>The text of the token that separates documents and ends a generated text: "&lt;|endoftext|&gt;".</summary>
    public const string EndOfText = "<|endoftext|>";

    private readonly TokenizerDefinition _definition;
    private readonly OnceValue<BytePairEncoder> _words;
    private readonly OnceValue<Tokenizer> _recognizing;
    private readonly OnceValue<Tokenizer> _literal;
    private readonly OnceValue<string> _hash;

    internal GptTokenizer(TokenizerDefinition definition)
    {
        _definition = definition;
        _words = new OnceValue<BytePairEncoder>(() => new BytePairEncoder(new BytePairMerges(definition)));
        _recognizing = new OnceValue<Tokenizer>(() => CreateTokenizer([.. definition.SpecialTokens, .. definition.AddedTokens]));
        _literal = new OnceValue<Tokenizer>(() => CreateTokenizer([.. definition.AddedTokens]));
        _hash = new OnceValue<string>(definition.ComputeHash);
        EndOfTextId = definition.SpecialTokens[EndOfText];
    }

    /// <summary>The kind of tokenization.</summary>
    public GptTokenizerKind Kind => _definition.Kind;

    /// <summary>
    /// This tokenizer as one of Microsoft.ML.Tokenizers' kind, special tokens recognized; for code that expects one. It gives the same
    /// ids; may be used from several threads.
    /// </summary>
    public Tokenizer Tokenizer => _recognizing.Value;

    /// <summary>V: the number of tokens, special ones included; ids are 0 to V-1.</summary>
    public int VocabularySize => _definition.Tokens.Count;

    /// <summary>The id of <see cref="EndOfText"/>.</summary>
    public int EndOfTextId { get; }

    /// <summary>The special tokens and their ids, <see cref="EndOfText"/> among them.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => _definition.SpecialTokens;

    /// <summary>
    /// 64 lower-case hex digits, a SHA-256 over kind, tokens, special and added tokens and merges: two tokenizers with the same hash encode
    /// every text alike, wherever they were loaded from.
    /// </summary>
    public string Hash => _hash.Value;

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any text; the empty text has no tokens.</param>
    /// <param name="handling">Whether the texts of special tokens become special tokens, or are text.</param>
    /// <returns>Token ids.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="handling"/> is none of the enumeration's values.</exception>
    /// <exception cref="UnknownCharacterException">A character-level tokenizer has no token for a character.</exception>
    public int[] Encode(string text, SpecialTokenHandling handling = SpecialTokenHandling.Recognize)
    {
        ArgumentNullException.ThrowIfNull(text);
        Tokenizer tokenizer = handling switch
        {
            SpecialTokenHandling.Recognize => _recognizing.Value,
            SpecialTokenHandling.AsText => _literal.Value,
            _ => throw new ArgumentOutOfRangeException(nameof(handling), handling, $"{handling} is none of {nameof(SpecialTokenHandling)}'s values; choose {SpecialTokenHandling.Recognize} or {SpecialTokenHandling.AsText}."),
        };
        return tokenizer is ByteLevelTokenizer bytes ? bytes.Encode(text) : [.. tokenizer.EncodeToIds(WellFormed(text))];
    }

    /// <summary>Decodes token ids. Bytes that make no character (a sequence cut short, for one) become U+FFFD.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out; else their text is written.</param>
    /// <exception cref="TokenOutOfRangeException">An id is outside the vocabulary.</exception>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);

        var bytes = new ArrayBufferWriter<byte>(256);
        int position = 0;
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> token = BytesOf(id, position++);
            if (!(skipSpecialTokens && _definition.IsSpecial[id])) bytes.Write(token);
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The bytes that a token stands for: UTF-8, of which a byte-level token may hold a part of a character only.</summary>
    /// <param name="id">A token id.</param>
    /// <exception cref="TokenOutOfRangeException">The id is outside the vocabulary.</exception>
    public ReadOnlyMemory<byte> GetTokenBytes(int id)
    {
        BytesOf(id, position: 0);
        return _definition.TokenBytes[id];
    }

    /// <summary>Whether a token is special.</summary>
    /// <param name="id">A token id.</param>
    /// <exception cref="TokenOutOfRangeException">The id is outside the vocabulary.</exception>
    public bool IsSpecialToken(int id)
    {
        BytesOf(id, position: 0);
        return _definition.IsSpecial[id];
    }

    /// <summary>Begins decoding a text token by token.</summary>
    /// <param name="skipSpecialTokens">Whether special tokens are left out; else their text is written.</param>
    public GptTokenStreamDecoder CreateStreamDecoder(bool skipSpecialTokens = false) => new(this, skipSpecialTokens);

    internal TokenizerDefinition Definition => _definition;

    private byte[] BytesOf(int id, int position) => (uint)id < (uint)_definition.TokenBytes.Length
        ? _definition.TokenBytes[id]
        : throw new TokenOutOfRangeException(id, VocabularySize, $"position {position}");

    private Tokenizer CreateTokenizer(KeyValuePair<string, int>[] whole)
    {
        SpecialTokenMatcher? matcher = whole.Length == 0 ? null : new SpecialTokenMatcher(whole);
        return _definition.Kind == GptTokenizerKind.Character ? new CharacterTokenizer(_definition, matcher) : new ByteLevelTokenizer(_definition, _words.Value, matcher);
    }

    /// <summary>The text, with U+FFFD in place of each lone surrogate. Every character keeps its place.</summary>
    internal static string WellFormed(string text)
    {
        int lone = IndexOfLoneSurrogate(text, 0);
        if (lone < 0) return text;
        return string.Create(text.Length, (text, lone), static (characters, state) =>
        {
            state.text.CopyTo(characters);
            for (int lone = state.lone; lone >= 0; lone = IndexOfLoneSurrogate(state.text, lone + 1)) characters[lone] = '\uFFFD';
        });
    }

    private static int IndexOfLoneSurrogate(string text, int start)
    {
        while (true)
        {
            int found = text.AsSpan(start).IndexOfAnyInRange('\uD800', '\uDFFF');
            if (found < 0) return -1;
            start += found;
            if (start + 1 == text.Length || !char.IsSurrogatePair(text[start], text[start + 1])) return start;
            start += 2;
        }
    }
}

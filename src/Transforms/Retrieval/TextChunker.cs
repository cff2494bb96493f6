using System.Buffers;
using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Cuts texts into chunks of at most so many tokens. Every character but white space at the borders of sentences is in a chunk.</summary>
public static class TextChunker
{
    // What ends a sentence before white space alone: elsewhere it stands in numbers, addresses and file names.
    private const string EndsBeforeSpace = ".!?…․﹒．";

    // What ends one wherever it stands: Unicode's other characters of the property Sentence_Terminal (UAX 29) in its first plane.
    private static readonly SearchValues<char> s_ends = SearchValues.Create(EndsBeforeSpace
        + "\u0589\u061D\u061E\u061F\u06D4\u0700\u0701\u0702\u07F9\u0837\u0839\u083D\u083E"   // Armenian, Arabic, Urdu, Syriac, N'Ko, Samaritan
        + "\u0964\u0965\u104A\u104B\u1362\u1367\u1368\u166E\u1735\u1736\u17D4\u17D5"         // Devanagari's danda and double danda, which India's scripts share; Myanmar, Ethiopic, Canadian, Philippine, Khmer
        + "\u1803\u1809\u1944\u1945\u1AA8\u1AA9\u1AAA\u1AAB\u1B5A\u1B5B\u1B5E\u1B5F\u1B7D\u1B7E"   // Mongolian, Limbu, Tai Tham, Balinese
        + "\u1C3B\u1C3C\u1C7E\u1C7F\u203C\u203D\u2047\u2048\u2049\u2E2E\u2E3C\u2E53\u2E54"         // Lepcha, Ol Chiki; double and joined marks
        + "\u3002\uA4FF\uA60E\uA60F\uA6F3\uA6F7\uA876\uA877\uA8CE\uA8CF\uA92F\uA9C8\uA9C9"         // Chinese and Japanese; Lisu, Vai, Bamum, Phags-pa, Saurashtra, Kayah Li, Javanese
        + "\uAA5D\uAA5E\uAA5F\uAAF0\uAAF1\uABEB\uFE52\uFE56\uFE57\uFF01\uFF1F\uFF61");              // Cham, Meetei Mayek; small, full and half widths

    /// <summary>Cuts a text.</summary>
    /// <param name="text">The text; one of white space alone has no chunk.</param>
    /// <param name="tokenizer">Counts the tokens. Texts of special tokens are text.</param>
    /// <param name="options">Length, overlap and where to cut; null for the defaults.</param>
    /// <returns>The chunks, in order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    /// <exception cref="UnknownCharacterException">A character-level tokenizer has no token for a character.</exception>
    public static IReadOnlyList<TextChunk> Split(string text, GptTokenizer tokenizer, ChunkTextOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new ChunkTextOptions();
        options.Validate();

        // 1. Pieces that are not cut: sentences, or what each token stands for.
        List<(int Start, int End)> pieces = [];
        if (options.Unit == ChunkUnit.Tokens)
        {
            if (!string.IsNullOrWhiteSpace(text)) pieces.AddRange(TokenPieces(text, 0, text.Length, tokenizer));
        }
        else
        {
            foreach ((int start, int end) in Sentences(text))
            {
                if (Count(text, start, end, tokenizer) <= options.MaxTokens) pieces.Add((start, end));
                else pieces.AddRange(TokenPieces(text, start, end, tokenizer));
            }
        }

        // 2. As many pieces in a chunk as fit; the next begins as many before its end as the overlap allows and leaves room for a piece behind it: no chunk only repeats the one before.
        List<TextChunk> chunks = [];
        for (int first = 0; first < pieces.Count;)
        {
            int last = Longest(pieces.Count - first, index => (pieces[first].Start, pieces[first + index].End), options.MaxTokens);
            (int start, int end) = (pieces[first].Start, pieces[first + last].End);
            chunks.Add(new TextChunk(text[start..end], start, Count(text, start, end, tokenizer)));
            if (first + last == pieces.Count - 1) break;
            int behind = first + last + 1, next = behind;
            while (next - 1 > first && Count(text, pieces[next - 1].Start, end, tokenizer) <= options.OverlapTokens) next--;
            while (next < behind && Count(text, pieces[next].Start, pieces[behind].End, tokenizer) > options.MaxTokens) next++;
            first = next;
        }

        return chunks;

        // The last index whose span fits; the first always does. Spans grow, and so, but for a token or two at the seams, do their tokens.
        int Longest(int count, Func<int, (int Start, int End)> span, int limit)
        {
            int fits = 0, step = 1;
            for (; Fits(fits + step); step *= 2) fits += step;
            for (; step > 0; step /= 2)
            {
                if (Fits(fits + step)) fits += step;
            }

            return fits;

            bool Fits(int index)
            {
                if (index >= count) return false;
                (int start, int end) = span(index);
                return Count(text, start, end, tokenizer) <= limit;
            }
        }
    }

    /// <summary>
    /// The sentences: each ends behind a full stop, a question or an exclamation mark (and what closes it), in Latin script before white space, or before an empty line.
    /// </summary>
    internal static IEnumerable<(int Start, int End)> Sentences(string text)
    {
        for (int start = 0; start < text.Length;)
        {
            while (start < text.Length && char.IsWhiteSpace(text[start])) start++;
            if (start == text.Length) yield break;
            int end = start;
            while (end < text.Length)
            {
                char c = text[end++];
                if (c == '\n' && Blank(end)) break;
                if (!s_ends.Contains(c)) continue;
                while (end < text.Length && (s_ends.Contains(text[end]) || Closes(text[end]))) end++;
                if (end == text.Length || char.IsWhiteSpace(text[end]) || !EndsBeforeSpace.Contains(c, StringComparison.Ordinal)) break;
            }

            int next = end;
            while (end > start && char.IsWhiteSpace(text[end - 1])) end--;
            yield return (start, end);
            start = next;
        }

        static bool Closes(char c) => c is '"' or '\'' || char.GetUnicodeCategory(c) is UnicodeCategory.ClosePunctuation or UnicodeCategory.FinalQuotePunctuation;

        bool Blank(int at)
        {
            while (at < text.Length && text[at] != '\n' && char.IsWhiteSpace(text[at])) at++;
            return at < text.Length && text[at] == '\n';
        }
    }

    // What each token stands for; tokens that share a character are one piece.
    private static IEnumerable<(int Start, int End)> TokenPieces(string text, int start, int end, GptTokenizer tokenizer)
    {
        Decoder decoder = Encoding.UTF8.GetDecoder();
        int at = start, begun = start;
        char[] characters = new char[end - start + 1];
        foreach (int id in tokenizer.Encode(text[start..end], SpecialTokenHandling.AsText))
        {
            ReadOnlySpan<byte> bytes = tokenizer.GetTokenBytes(id).Span;
            at += decoder.GetChars(bytes, characters, flush: false);
            if (at == begun) continue;
            yield return (begun, at);
            begun = at;
        }

        if (begun < end) yield return (begun, end);
    }

    private static int Count(string text, int start, int end, GptTokenizer tokenizer) => tokenizer.Encode(text[start..end], SpecialTokenHandling.AsText).Length;
}

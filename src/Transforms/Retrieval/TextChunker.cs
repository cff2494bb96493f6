using System.Text;

namespace MLNet.Gpt;

/// <summary>Cuts texts into chunks of at most so many tokens. Every character but white space at the borders of sentences is in a chunk.</summary>
public static class TextChunker
{
    private const string Ends = ".!?…。！？";

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

    /// <summary>The sentences: each ends behind a full stop, a question or an exclamation mark (and what closes it) before white space, or before an empty line.</summary>
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
                if (!Ends.Contains(c, StringComparison.Ordinal)) continue;
                while (end < text.Length && (Ends.Contains(text[end], StringComparison.Ordinal) || text[end] is '"' or '\'' or ')' or ']' or '”' or '’' or '»' or '」')) end++;
                if (end == text.Length || char.IsWhiteSpace(text[end]) || c is '。' or '！' or '？') break;
            }

            int next = end;
            while (end > start && char.IsWhiteSpace(text[end - 1])) end--;
            yield return (start, end);
            start = next;
        }

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

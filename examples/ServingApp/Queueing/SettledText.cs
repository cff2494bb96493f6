using System.Text;
using MLNet.Gpt;

namespace ServingApp.Queueing;

/// <summary>Turns the bytes of an answer's tokens into text, character by character, and holds back what may be the beginning of a stop string, with what the model thought of the tokens that it begins in.</summary>
internal sealed class SettledText
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly List<byte> _held = [];
    private readonly Queue<(int Begin, int End, TokenLogProbability Thought)> _thoughts = new();
    private int _given; // bytes that have become text, or wait in the decoder for the rest of their character

    /// <summary>Takes a token.</summary>
    /// <param name="bytes">Its text.</param>
    /// <param name="settledByteCount">The bytes of the answer that are sure to be part of it.</param>
    /// <param name="thought">What the model thought of it; null where nobody asks.</param>
    public (string Text, IReadOnlyList<TokenLogProbability> Thoughts) Append(ReadOnlySpan<byte> bytes, int settledByteCount, TokenLogProbability? thought)
    {
        int begin = _given + _held.Count;
        if (thought is not null) _thoughts.Enqueue((begin, begin + bytes.Length, thought));
        _held.AddRange(bytes);
        return Take(settledByteCount, end: false);
    }

    /// <summary>Ends the answer at a byte: what lies behind it is no part of it.</summary>
    public (string Text, IReadOnlyList<TokenLogProbability> Thoughts) End(int byteCount) => Take(byteCount, end: true);

    private (string Text, IReadOnlyList<TokenLogProbability> Thoughts) Take(int upTo, bool end)
    {
        byte[] settled = [.. _held.Take(upTo - _given)];
        _held.RemoveRange(0, settled.Length);
        _given = upTo;
        char[] characters = new char[Encoding.UTF8.GetMaxCharCount(settled.Length)];
        string text = new(characters, 0, _decoder.GetChars(settled, characters, end));

        // A token that is the middle of a character goes with the character; one without text, such as a special token, with what comes next.
        if (_thoughts.Count == 0 || (text.Length == 0 && !end)) return (text, []);
        var thoughts = new List<TokenLogProbability>();
        while (_thoughts.TryPeek(out (int Begin, int End, TokenLogProbability Thought) next) && (next.Begin < upTo || next.End <= upTo)) thoughts.Add(_thoughts.Dequeue().Thought);
        return (text, thoughts);
    }
}

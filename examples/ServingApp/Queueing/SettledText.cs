using System.Text;

namespace ServingApp.Queueing;

/// <summary>Turns the bytes of tokens into text, character by character, and holds back what may be the beginning of a stop string.</summary>
internal sealed class SettledText
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly List<byte> _held = [];
    private int _given; // bytes that have become text, or wait in the decoder for the rest of their character

    public string Append(ReadOnlySpan<byte> bytes, int settledByteCount)
    {
        _held.AddRange(bytes);
        return Take(settledByteCount, end: false);
    }

    public string End(int byteCount) => Take(byteCount, end: true);

    private string Take(int upTo, bool end)
    {
        byte[] settled = [.. _held.Take(upTo - _given)];
        _held.RemoveRange(0, settled.Length);
        _given = upTo;
        char[] text = new char[Encoding.UTF8.GetMaxCharCount(settled.Length)];
        return new string(text, 0, _decoder.GetChars(settled, text, end));
    }
}

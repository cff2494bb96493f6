using System.Buffers;

namespace MLNet.Gpt;

/// <summary>A growing row of token ids in pooled memory. Belongs to one thread; dispose it to give the memory back.</summary>
internal sealed class TokenBuffer(int capacity) : IDisposable
{
    private int[] _tokens = ArrayPool<int>.Shared.Rent(Math.Max(16, capacity));

    public int Count { get; private set; }

    public ReadOnlySpan<int> Written => _tokens.AsSpan(0, Count);

    public void Add(int token)
    {
        if (Count == _tokens.Length) Grow(1);
        _tokens[Count++] = token;
    }

    public void Add(ReadOnlySpan<int> tokens) => tokens.CopyTo(Take(tokens.Length));

    /// <summary>Appends tokens to be filled in; valid until the next call.</summary>
    public Span<int> Take(int count)
    {
        if (_tokens.Length - Count < count) Grow(count);
        Count += count;
        return _tokens.AsSpan(Count - count, count);
    }

    /// <summary>Takes the last tokens away.</summary>
    public void GiveBack(int count) => Count -= count;

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(_tokens);
        _tokens = [];
    }

    private void Grow(int count)
    {
        int[] larger = ArrayPool<int>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(2L * _tokens.Length, (long)Count + count)));
        Written.CopyTo(larger);
        ArrayPool<int>.Shared.Return(_tokens);
        _tokens = larger;
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The keys and values of the positions so far, allocated once for the capacity.</summary>
internal sealed class KeyValueCache : IDisposable
{
    private Tensor[] _keys;
    private Tensor[] _values;

    /// <summary>Allocates the cache.</summary>
    public KeyValueCache(GptConfig config, long rows, long capacity, Device device, ScalarType type)
    {
        using var noGradient = no_grad();
        Capacity = capacity;
        using var scope = NewDisposeScope(); // where one does not fit, those before it go
        _keys = Allocate();
        _values = Allocate();
        foreach (Tensor kept in (Tensor[])[.. _keys, .. _values]) kept.DetachFromDisposeScope();

        Tensor[] Allocate() => [.. Enumerable.Range(0, config.LayerCount).Select(_ => empty(rows, config.HeadCount, capacity, config.HeadSize, type, device))];
    }

    /// <summary>The most positions that fit.</summary>
    public long Capacity { get; }

    /// <summary>The positions held; grows when <see cref="Advance"/> is called after a pass over all layers.</summary>
    public long Length { get; private set; }

    /// <summary>Writes new keys and values (B, H, n, D) of one layer behind the ones held, and gives all of them (B, H, Length + n, D).</summary>
    public (Tensor Keys, Tensor Values) Append(int layer, Tensor key, Tensor value)
    {
        long n = key.size(2);
        _keys[layer].narrow(2, Length, n).copy_(key);
        _values[layer].narrow(2, Length, n).copy_(value);
        return (_keys[layer].narrow(2, 0, Length + n), _values[layer].narrow(2, 0, Length + n));
    }

    /// <summary>Counts n more positions as held.</summary>
    public void Advance(long n) => Length += n;

    /// <summary>The numbers that <see cref="SelectRows"/> has copied so far.</summary>
    public long CopiedNumbers { get; private set; }

    /// <summary>Keeps the given rows in the given order. Only positions that are held are copied, and nothing where the first rows stay in their places.</summary>
    public void SelectRows(ReadOnlySpan<int> rows)
    {
        int count = rows.Length;
        (int Place, int Row, int Count, bool IsRepeated)[] runs = Runs(rows);
        bool isPrefix = runs is [{ Row: 0, IsRepeated: false }];
        _keys = Select(_keys);
        _values = Select(_values);

        Tensor[] Select(Tensor[] layers)
        {
            var kept = new Tensor[layers.Length];
            for (int i = 0; i < layers.Length; i++)
            {
                Tensor from = layers[i];
                kept[i] = (isPrefix ? from.narrow(0, 0, count) : empty(count, from.size(1), Capacity, from.size(3), from.dtype, from.device)).DetachFromDisposeScope();
                if (!isPrefix)
                {
                    foreach ((int place, int row, int n, bool isRepeated) in runs)
                    {
                        Tensor target = kept[i].narrow(0, place, n).narrow(2, 0, Length);                    // (n, H, Length, D)
                        target.copy_(from.narrow(0, row, isRepeated ? 1 : n).narrow(2, 0, Length));
                        CopiedNumbers += target.numel();
                    }
                }

                from.Dispose();
            }

            return kept;
        }
    }

    /// <summary>Takes what another cache of as many rows holds.</summary>
    public void CopyFrom(KeyValueCache other)
    {
        for (int i = 0; i < _keys.Length; i++)
        {
            _keys[i].narrow(2, 0, other.Length).copy_(other._keys[i].narrow(2, 0, other.Length));
            _values[i].narrow(2, 0, other.Length).copy_(other._values[i].narrow(2, 0, other.Length));
        }

        Length = other.Length;
    }

    /// <summary>Forgets the first positions.</summary>
    public void DropFirst(long count)
    {
        long kept = Length - count;
        foreach (Tensor tensor in _keys.Concat(_values)) tensor.narrow(2, 0, kept).copy_(tensor.narrow(2, count, kept).clone());
        Length = kept;
    }

    /// <summary>Puts another cache's rows behind its own. The shorter one's rows move to the right; what is left of them is zero.</summary>
    public void Join(KeyValueCache other)
    {
        long length = Math.Max(Length, other.Length);
        _keys = Joined(_keys, other._keys);
        _values = Joined(_values, other._values);
        Length = length;

        Tensor[] Joined(Tensor[] own, Tensor[] others)
        {
            var joined = new Tensor[own.Length];
            for (int i = 0; i < own.Length; i++)
            {
                long rows = own[i].size(0), added = others[i].size(0);
                joined[i] = zeros(rows + added, own[i].size(1), Capacity, own[i].size(3), own[i].dtype, own[i].device).DetachFromDisposeScope();   // (B + B', H, capacity, D)
                joined[i].narrow(0, 0, rows).narrow(2, length - Length, Length).copy_(own[i].narrow(2, 0, Length));
                joined[i].narrow(0, rows, added).narrow(2, length - other.Length, other.Length).copy_(others[i].narrow(2, 0, other.Length));
                own[i].Dispose();
            }

            return joined;
        }
    }

    /// <summary>What is held of a layer's keys or values, (B, H, Length, D) on the CPU.</summary>
    /// <param name="tensor">0 to 2 L - 1: layer 0's keys, its values, layer 1's keys, …</param>
    public Tensor Held(int tensor) => Layer(tensor).narrow(2, 0, Length).cpu().contiguous();   // sync: where the cache is on a GPU

    /// <summary>Takes the first positions of a layer's keys or values, (B, H, n, D); they count when <see cref="Advance"/> is called.</summary>
    /// <param name="tensor">As for <see cref="Held"/>.</param>
    /// <param name="held">On any device.</param>
    public void Take(int tensor, Tensor held) => Layer(tensor).narrow(2, 0, held.size(2)).copy_(held);

    public void Dispose()
    {
        foreach (Tensor tensor in _keys.Concat(_values)) tensor.Dispose();
    }

    /// <summary>The rows as runs of neighbours, or of one row again and again: each is one copy.</summary>
    private static (int Place, int Row, int Count, bool IsRepeated)[] Runs(ReadOnlySpan<int> rows)
    {
        var runs = new List<(int, int, int, bool)>();
        for (int i = 0, n; i < rows.Length; i += n)
        {
            int step = i + 1 < rows.Length && rows[i + 1] == rows[i] ? 0 : 1;
            for (n = 1; i + n < rows.Length && rows[i + n] == rows[i] + (n * step);) n++;
            runs.Add((i, rows[i], n, step == 0));
        }

        return [.. runs];
    }

    private Tensor Layer(int tensor) => (tensor % 2 == 0 ? _keys : _values)[tensor / 2];
}

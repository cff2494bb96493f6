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
        _keys = Allocate();
        _values = Allocate();

        Tensor[] Allocate() => [.. Enumerable.Range(0, config.LayerCount)
            .Select(_ => empty(rows, config.HeadCount, capacity, config.HeadSize, type, device).DetachFromDisposeScope())];
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

    /// <summary>Keeps the given rows in the given order.</summary>
    public void SelectRows(Tensor rows)
    {
        _keys = Select(_keys);
        _values = Select(_values);

        Tensor[] Select(Tensor[] layers)
        {
            var kept = new Tensor[layers.Length];
            for (int i = 0; i < layers.Length; i++)
            {
                kept[i] = layers[i].index_select(0, rows).DetachFromDisposeScope();
                layers[i].Dispose();
            }

            return kept;
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _keys.Concat(_values)) tensor.Dispose();
    }
}

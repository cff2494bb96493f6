using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>The keys and values of what a decoder has seen, for each layer: B rows, H heads, up to as many positions as it was made for, D numbers each.</summary>
internal abstract class OnnxKeyValueCache : IDisposable
{
    private const long Large = 64 << 20;

    /// <summary>Makes the cache that the model's graph wants.</summary>
    public static OnnxKeyValueCache Create(OnnxCausalModel model, RunOptions runOptions, int rowCount, int capacity) => model.Cache.IsShared
        ? new SharedKeyValueCache(model, rowCount, capacity)
        : new GrowingKeyValueCache(model, runOptions, rowCount, capacity);

    /// <summary>Places the past among a call's inputs.</summary>
    public abstract void PlacePast(Span<OrtValue> inputs);

    /// <summary>Makes room for the past and n more positions and places it among a call's outputs.</summary>
    public abstract void PlacePresent(int rowCount, int n, Span<OrtValue> outputs);

    /// <summary>Whether <see cref="ShowRows"/> can be used. Where it can, several positions are appended to one row at a time once there is a past; where it can't, to all rows at once.</summary>
    public abstract bool CanShowRows { get; }

    /// <summary>Past and present of some rows alone, until <see cref="ShowAll"/>.</summary>
    public abstract void ShowRows(int first, int count);

    /// <summary>All rows again.</summary>
    public abstract void ShowAll();

    /// <summary>What was the present becomes the past.</summary>
    public abstract void Advance(int n);

    /// <summary>Gives up a present that was not computed.</summary>
    public abstract void Abandon();

    /// <summary>Keeps the given rows, in the given order.</summary>
    public abstract void SelectRows(ReadOnlySpan<int> rows, int rowCount);

    /// <summary>Takes what another cache of as many rows holds; its own is forgotten.</summary>
    public abstract void CopyFrom(OnnxKeyValueCache other, int rowCount);

    /// <summary>Keeps a range of the positions.</summary>
    public abstract void Keep(int first, int count, int rowCount);

    /// <summary>Puts another cache's rows behind its own. The shorter one's rows move to the right; what is left of them holds finite numbers, which nothing looks at.</summary>
    public abstract void Join(OnnxKeyValueCache other, int rowCount, int otherRows);

    /// <summary>Copies the positions that are held of a row out of a tensor.</summary>
    /// <param name="tensor">0 to 2 L - 1: layer 0's keys, its values, layer 1's keys, …</param>
    /// <param name="row">The row.</param>
    /// <param name="block">Receives (H, P, D), as bytes.</param>
    public abstract void Read(int tensor, int row, Span<byte> block);

    /// <summary>Counts positions of as many rows as held, which <see cref="Write"/> then fills. The cache must be empty.</summary>
    public abstract void Fill(int rowCount, int positions);

    /// <summary>The reverse of <see cref="Read"/>.</summary>
    public abstract void Write(int tensor, int row, ReadOnlySpan<byte> block);

    public abstract void Dispose();

    /// <summary>Disposes values and forgets them.</summary>
    protected static void Clear(OrtValue?[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i]?.Dispose();
            values[i] = null;
        }
    }

    /// <summary>Frees buffers; those of a large cache go back to the system, which a C heap might keep.</summary>
    protected static void Free(TensorMemory?[] buffers)
    {
        long bytes = 0;
        foreach (TensorMemory? buffer in buffers)
        {
            bytes += buffer?.ByteCount ?? 0;
            buffer?.Dispose();
        }

        if (bytes >= Large) CHeap.ReturnFree();
    }

    /// <summary>Takes as many buffers as there are tensors, two for each layer, or none.</summary>
    protected static TensorMemory[] Allocate(OnnxCausalModel model, int count, int rows, int capacity)
    {
        long bytes = checked((long)rows * model.Cache.Heads * capacity * model.Cache.PositionBytes);
        var buffers = new TensorMemory[count];
        try
        {
            for (int i = 0; i < count; i++) buffers[i] = TensorMemory.Allocate(model, bytes);
        }
        catch
        {
            Free(buffers);
            throw;
        }

        return buffers;
    }
}

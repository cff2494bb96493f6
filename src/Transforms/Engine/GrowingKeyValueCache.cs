using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>
/// A cache of two buffers that take turns: the graph reads the past from one and writes past and new positions to the other, so that any graph of Optimum's layout will do. On a GPU they
/// never leave it.
/// </summary>
internal sealed unsafe class GrowingKeyValueCache : OnnxKeyValueCache
{
    private readonly OnnxCausalModel model;
    private readonly RunOptions runOptions;
    private readonly int capacity, count;   // count: tensors, two for each layer
    private readonly long[] shape;
    private readonly OrtValue?[] past, present;
    private TensorMemory[] current = [], next = [];
    private int allocatedRows, length;

    public GrowingKeyValueCache(OnnxCausalModel model, RunOptions runOptions, int rowCount, int capacity)
    {
        (this.model, this.runOptions, this.capacity) = (model, runOptions, capacity);
        count = 2 * model.Config.LayerCount;
        shape = [rowCount, model.Cache.Heads, 0, model.Cache.HeadSize];
        past = new OrtValue?[count];
        present = new OrtValue?[count];
        try
        {
            (current, next) = Allocate(rowCount);
            allocatedRows = rowCount;
            Tensors(current, rowCount, 0, past);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override bool AppendsToManyRows => true;

    /// <summary>Places the past, (B, H, P, D) each, among a call's inputs.</summary>
    public override void PlacePast(Span<OrtValue> inputs) => past.CopyTo(inputs!);

    /// <summary>Makes room for the past and n more positions, (B, H, P + n, D) each, and places it among a call's outputs.</summary>
    public override void PlacePresent(int rowCount, int n, Span<OrtValue> outputs)
    {
        Tensors(next, rowCount, length + n, present);
        present.CopyTo(outputs!);
    }

    public override void ShowRow(int row) => throw new NotSupportedException("This cache is used for all rows at once.");

    public override void ShowAll() => throw new NotSupportedException("This cache is used for all rows at once.");

    public override void Advance(int n)
    {
        Clear(past);
        present.CopyTo(past, 0);
        Array.Clear(present);
        (current, next) = (next, current);
        length += n;
    }

    public override void Abandon() => Clear(present);

    public override void SelectRows(ReadOnlySpan<int> rows, int rowCount)
    {
        if (length > 0 && !IsPrefix(rows))
        {
            Gather(rows, rowCount);
        }
        else if (rows.Length > allocatedRows)
        {
            Replace(rows.Length, Allocate(rows.Length));
        }

        Clear(past);
        Tensors(current, rows.Length, length, past);
    }

    public override bool CanRearrange => model.CacheMemory is null;

    public override void CopyFrom(OnnxKeyValueCache other, int rowCount)
    {
        var source = (GrowingKeyValueCache)other;
        length = source.length;
        CopyRows(source, current, 0, rowCount, 0, length, 0, length);
        Clear(past);
        Tensors(current, rowCount, length, past);
    }

    public override void Keep(int first, int count, int rowCount)
    {
        CopyRows(this, next, 0, rowCount, first, count, 0, count);
        length = count;
        Swap(rowCount);
    }

    public override void Join(OnnxKeyValueCache other, int rowCount, int otherRows)
    {
        var added = (GrowingKeyValueCache)other;
        int longer = Math.Max(length, added.length), rows = rowCount + otherRows;

        // Rows that leave later make room for those that come, so twice the room is taken where it is too small.
        int room = rows <= allocatedRows ? allocatedRows : Math.Max(rows, 2 * allocatedRows);
        (TensorMemory[] Current, TensorMemory[] Next)? larger = room > allocatedRows ? Allocate(room) : null;
        TensorMemory[] target = larger?.Current ?? next;
        CopyRows(this, target, 0, rowCount, 0, length, longer - length, longer);
        CopyRows(added, target, rowCount, otherRows, 0, added.length, longer - added.length, longer);
        length = longer;
        if (larger is { } buffers)
        {
            Replace(room, buffers);
            Tensors(current, rows, length, past);
        }
        else
        {
            Swap(rows);
        }
    }

    public override Span<byte> Block(int tensor, int row, int head)
    {
        int bytes = checked(length * model.Cache.PositionBytes);
        return new((byte*)current[tensor].Address + ((((long)row * model.Cache.Heads) + head) * bytes), bytes);
    }

    public override void Fill(int rowCount, int positions)
    {
        length = positions;
        Clear(past);
        Tensors(current, rowCount, length, past);
    }

    public override void Dispose()
    {
        Clear(past);
        Clear(present);
        Free(current);
        Free(next);
        (current, next) = ([], []);
    }

    private static bool IsPrefix(ReadOnlySpan<int> rows)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            if (rows[i] != i) return false;
        }

        return true;
    }

    private void Gather(ReadOnlySpan<int> rows, int rowCount)
    {
        long[] indices = new long[rows.Length];
        for (int i = 0; i < rows.Length; i++) indices[i] = rows[i];
        (TensorMemory[] Current, TensorMemory[] Next)? larger = rows.Length > allocatedRows ? Allocate(rows.Length) : null;
        try
        {
            using OrtValue chosen = OrtValue.CreateTensorValueFromMemory(indices, [indices.Length]);
            Tensors(larger?.Current ?? next, rows.Length, length, present);
            for (int i = 0; i < count; i++) model.RowGather.Run(runOptions, past[i]!, chosen, present[i]!);
        }
        catch (Exception exception)
        {
            Free(larger?.Current ?? []);
            Free(larger?.Next ?? []);
            if (exception is OnnxRuntimeException) throw new InferenceFailedException(model.Device, $"the choice of {rows.Length} of {rowCount} rows", exception);
            throw;
        }
        finally
        {
            Clear(present);
        }

        if (larger is { } buffers) Replace(rows.Length, buffers);
        else (current, next) = (next, current);
    }

    private void Swap(int rows)
    {
        Clear(past);
        (current, next) = (next, current);
        Tensors(current, rows, length, past);
    }

    /// <summary>Copies a range of positions of a cache's rows into buffers whose rows have another length, behind some positions that are set to zero.</summary>
    private void CopyRows(GrowingKeyValueCache source, TensorMemory[] target, int place, int rows, int first, int positions, int shift, int targetLength)
    {
        long position = model.Cache.PositionBytes, used = positions * position, before = shift * position;
        long fromHead = source.length * position, toHead = targetLength * position;
        for (int i = 0; i < count; i++)
        {
            byte* from = (byte*)source.current[i].Address + (first * position), to = (byte*)target[i].Address + (place * model.Cache.Heads * toHead);
            for (long h = 0; h < (long)rows * model.Cache.Heads; h++, from += fromHead, to += toHead)
            {
                NativeMemory.Clear(to, (nuint)before);
                Buffer.MemoryCopy(from, to + before, used, used);
            }
        }
    }

    private void Replace(int rows, (TensorMemory[] Current, TensorMemory[] Next) buffers)
    {
        Clear(past);
        Free(current);
        Free(next);
        (current, next) = buffers;
        allocatedRows = rows;
    }

    private (TensorMemory[] Current, TensorMemory[] Next) Allocate(int rows)
    {
        TensorMemory[] all = Allocate(model, 2 * count, rows, capacity);
        return (all[..count], all[count..]);
    }

    private void Tensors(TensorMemory[] buffers, int rows, int positions, OrtValue?[] values)
    {
        (shape[0], shape[2]) = (rows, positions);
        for (int i = 0; i < count; i++)
        {
            values[i] = OrtValue.CreateTensorValueWithData(buffers[i].Info, model.Cache.Type, shape, buffers[i].Address, buffers[i].ByteCount);
        }
    }
}

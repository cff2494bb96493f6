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

    public override bool CanShowRows => false;

    /// <summary>Places the past, (B, H, P, D) each, among a call's inputs.</summary>
    public override void PlacePast(Span<OrtValue> inputs) => past.CopyTo(inputs!);

    /// <summary>Makes room for the past and n more positions, (B, H, P + n, D) each, and places it among a call's outputs.</summary>
    public override void PlacePresent(int rowCount, int n, Span<OrtValue> outputs)
    {
        Tensors(next, rowCount, length + n, present);
        present.CopyTo(outputs!);
    }

    public override void ShowRows(int first, int count) => throw new NotSupportedException("This cache is used for all rows at once.");

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

    public override void CopyFrom(OnnxKeyValueCache other, int rowCount)
    {
        var source = (GrowingKeyValueCache)other;
        length = source.length;
        if (length > 0) Copy(model.RowGather, source, Range(0, rowCount), current, 0, rowCount, length, $"the copy of {rowCount} rows of {length} positions");
        Clear(past);
        Tensors(current, rowCount, length, past);
    }

    public override void Keep(int first, int count, int rowCount)
    {
        Copy(model.PositionGather, this, Range(first, count), next, 0, rowCount, count, $"the choice of {count} of {length} positions");
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
        try
        {
            MoveRight(this, added, target, 0, rowCount, longer);
            MoveRight(added, this, target, rowCount, otherRows, longer);
        }
        catch
        {
            Free(larger?.Current ?? []);
            Free(larger?.Next ?? []);
            throw;
        }

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

    public override void Read(int tensor, int row, Span<byte> block)
    {
        fixed (byte* address = block) CopyRow(tensor, row, (IntPtr)address, block.Length, outwards: true);
    }

    public override void Fill(int rowCount, int positions)
    {
        length = positions;
        Clear(past);
        Tensors(current, rowCount, length, past);
    }

    public override void Write(int tensor, int row, ReadOnlySpan<byte> block)
    {
        fixed (byte* address = block) CopyRow(tensor, row, (IntPtr)address, block.Length, outwards: false);
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

    private static long[] Range(int first, int count)
    {
        long[] range = new long[count];
        for (int i = 0; i < count; i++) range[i] = first + i;
        return range;
    }

    private void Gather(ReadOnlySpan<int> rows, int rowCount)
    {
        long[] chosen = new long[rows.Length];
        for (int i = 0; i < rows.Length; i++) chosen[i] = rows[i];
        (TensorMemory[] Current, TensorMemory[] Next)? larger = rows.Length > allocatedRows ? Allocate(rows.Length) : null;
        try
        {
            Copy(model.RowGather, this, chosen, larger?.Current ?? next, 0, rows.Length, length, $"the choice of {rows.Length} of {rowCount} rows");
        }
        catch
        {
            Free(larger?.Current ?? []);
            Free(larger?.Next ?? []);
            throw;
        }

        if (larger is { } buffers) Replace(rows.Length, buffers);
        else (current, next) = (next, current);
    }

    /// <summary>
    /// Copies a cache's rows so that they end with the longer one's positions. The places before them repeat the first position, or another row's where there is none: an attention's weight there is
    /// zero, and zero times a number that was left in a new buffer need not be.
    /// </summary>
    private void MoveRight(GrowingKeyValueCache source, GrowingKeyValueCache other, TensorMemory[] target, int place, int rows, int longer)
    {
        if (longer == 0) return;
        string work = $"the move of {rows} rows of {source.length} positions behind {longer - source.length} others";
        if (source.length == 0)
        {
            Copy(model.RowGather, other, new long[rows], target, place, rows, longer, work);
            return;
        }

        long[] positions = new long[longer];
        for (int i = 0; i < longer; i++) positions[i] = Math.Max(0, i - (longer - source.length));
        Copy(model.PositionGather, source, positions, target, place, rows, longer, work);
    }

    /// <summary>Copies chosen rows or positions of a cache into buffers, whose rows from a place on they become.</summary>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed.</exception>
    private void Copy(CacheGather gather, GrowingKeyValueCache source, long[] chosen, TensorMemory[] target, int place, int rows, int positions, string work)
    {
        try
        {
            using OrtValue indices = OrtValue.CreateTensorValueFromMemory(chosen, [chosen.Length]);
            for (int i = 0; i < count; i++)
            {
                using OrtValue destination = Tensor(target[i], place, rows, positions);
                gather.Run(runOptions, source.past[i]!, indices, destination);
            }
        }
        catch (OnnxRuntimeException exception)
        {
            throw new InferenceFailedException(model.Device, work, exception);
        }
    }

    /// <summary>Copies a row, (H, P, D), of one of the tensors to the CPU's memory or from it.</summary>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed.</exception>
    private void CopyRow(int tensor, int row, IntPtr address, int byteCount, bool outwards)
    {
        try
        {
            using OrtValue held = Tensor(current[tensor], row, 1, length), first = OrtValue.CreateTensorValueFromMemory(new long[1], [1]);
            using OrtValue outside = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, model.Cache.Type, shape, address, byteCount);
            model.RowGather.Run(runOptions, outwards ? held : outside, first, outwards ? outside : held);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new InferenceFailedException(model.Device, $"a copy of row {row} of a cache of {length} positions", exception);
        }
    }

    private void Swap(int rows)
    {
        Clear(past);
        (current, next) = (next, current);
        Tensors(current, rows, length, past);
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
        for (int i = 0; i < count; i++) values[i] = Tensor(buffers[i], 0, rows, positions);
    }

    /// <summary>(rows, H, positions, D): those rows of a buffer that follow a place, with as many positions each.</summary>
    private OrtValue Tensor(TensorMemory buffer, int place, int rows, int positions)
    {
        (shape[0], shape[2]) = (rows, positions);
        long row = (long)model.Cache.Heads * positions * model.Cache.PositionBytes;
        return OrtValue.CreateTensorValueWithData(buffer.Info, model.Cache.Type, shape, buffer.Address + (nint)(place * row), rows * row);
    }
}

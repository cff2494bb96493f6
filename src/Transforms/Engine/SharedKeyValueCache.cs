using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>
/// A cache whose buffers, (B, H, capacity, D), are past and present at once: the graph writes new positions behind those that are there, and nothing is copied for a token.
/// On the CPU alone, whose memory can be addressed.
/// </summary>
internal sealed unsafe class SharedKeyValueCache : OnnxKeyValueCache
{
    private readonly OnnxCausalModel model;
    private readonly int capacity, count; // count: tensors, two for each layer
    private readonly OrtValue?[] values, rowValues;
    private TensorMemory[] buffers;
    private int length, allocatedRows;
    private bool showsRows;

    public SharedKeyValueCache(OnnxCausalModel model, int rowCount, int capacity)
    {
        (this.model, this.capacity, allocatedRows, count) = (model, capacity, rowCount, 2 * model.Config.LayerCount);
        values = new OrtValue?[count];
        rowValues = new OrtValue?[count];
        buffers = Allocate(model, count, rowCount, capacity);
        try
        {
            Tensors(values, 0, rowCount);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    // GroupQueryAttention takes several new positions behind others in batches of one row.
    public override bool CanShowRows => true;

    private long RowBytes => (long)model.Cache.Heads * capacity * model.Cache.PositionBytes;

    public override void PlacePast(Span<OrtValue> inputs) => (showsRows ? rowValues : values).CopyTo(inputs!);

    public override void PlacePresent(int rowCount, int n, Span<OrtValue> outputs) => (showsRows ? rowValues : values).CopyTo(outputs!);

    public override void ShowRows(int first, int count)
    {
        Clear(rowValues);
        Tensors(rowValues, first, count);
        showsRows = true;
    }

    public override void ShowAll()
    {
        Clear(rowValues);
        showsRows = false;
    }

    public override void Advance(int n) => length += n;

    public override void Abandon()
    {
        // What was written lies behind the past, where nothing looks.
    }

    public override void SelectRows(ReadOnlySpan<int> rows, int rowCount)
    {
        bool moves = true; // each row to its own place or one before it, so that none is written over before it has moved
        for (int i = 1; i < rows.Length; i++) moves &= rows[i] > rows[i - 1];
        TensorMemory[] target = moves ? buffers : Allocate(model, count, rows.Length, capacity);
        for (int i = 0; i < rows.Length; i++)
        {
            if (!moves || rows[i] != i) CopyRow(rows[i], target, i);
        }

        Clear(values);
        if (!moves)
        {
            Free(buffers);
            (buffers, allocatedRows) = (target, rows.Length);
        }

        Tensors(values, 0, rows.Length);
    }

    public override void CopyFrom(OnnxKeyValueCache other, int rowCount)
    {
        var source = (SharedKeyValueCache)other;
        CopyRows(source, buffers, 0, rowCount, shift: 0);
        length = source.length;
    }

    public override void Keep(int first, int count, int rowCount)
    {
        if (first > 0)
        {
            long step = (long)first * model.Cache.PositionBytes, kept = (long)count * model.Cache.PositionBytes, head = RowBytes / model.Cache.Heads;
            foreach (TensorMemory buffer in buffers)
            {
                for (long h = 0; h < (long)rowCount * model.Cache.Heads; h++)
                {
                    byte* start = (byte*)buffer.Address + (h * head);
                    Buffer.MemoryCopy(start + step, start, kept, kept);
                }
            }
        }

        length = count;
    }

    public override void Join(OnnxKeyValueCache other, int rowCount, int otherRows)
    {
        var added = (SharedKeyValueCache)other;
        int longer = Math.Max(length, added.length), rows = rowCount + otherRows;

        // Rows that leave later make room for those that come, so twice the room is taken where it is too small.
        TensorMemory[] target = rows <= allocatedRows && longer == length ? buffers : Allocate(model, count, Math.Max(rows, rows <= allocatedRows ? allocatedRows : 2 * allocatedRows), capacity);
        if (target != buffers) CopyRows(this, target, 0, rowCount, longer - length);
        CopyRows(added, target, rowCount, otherRows, longer - added.length);
        Clear(values);
        if (target != buffers)
        {
            allocatedRows = Math.Max(rows, rows <= allocatedRows ? allocatedRows : 2 * allocatedRows);
            Free(buffers);
            buffers = target;
        }

        length = longer;
        Tensors(values, 0, rows);
    }

    public override void Read(int tensor, int row, Span<byte> block)
    {
        int bytes = block.Length / model.Cache.Heads;
        for (int head = 0; head < model.Cache.Heads; head++) Held(tensor, row, head).CopyTo(block[(head * bytes)..]);
    }

    public override void Fill(int rowCount, int positions) => length = positions;

    public override void Write(int tensor, int row, ReadOnlySpan<byte> block)
    {
        int bytes = block.Length / model.Cache.Heads;
        for (int head = 0; head < model.Cache.Heads; head++) block.Slice(head * bytes, bytes).CopyTo(Held(tensor, row, head));
    }

    public override void Dispose()
    {
        Clear(values);
        Clear(rowValues);
        Free(buffers);
        buffers = [];
    }

    private Span<byte> Held(int tensor, int row, int head) =>
        new((byte*)buffers[tensor].Address + (row * RowBytes) + (head * (RowBytes / model.Cache.Heads)), checked(length * model.Cache.PositionBytes));

    private void CopyRow(int row, TensorMemory[] target, int place)
    {
        long used = (long)length * model.Cache.PositionBytes, head = RowBytes / model.Cache.Heads;
        for (int i = 0; i < count; i++)
        {
            byte* from = (byte*)buffers[i].Address + (row * RowBytes), to = (byte*)target[i].Address + (place * RowBytes);
            for (int h = 0; h < model.Cache.Heads; h++) Buffer.MemoryCopy(from + (h * head), to + (h * head), used, used);
        }
    }

    /// <summary>Copies the rows of a cache to another place in buffers of this one's capacity, some positions further right; those before are set to zero.</summary>
    private void CopyRows(SharedKeyValueCache source, TensorMemory[] target, int place, int rows, int shift)
    {
        long position = model.Cache.PositionBytes, used = source.length * position, before = shift * position;
        long fromHead = source.capacity * position, toHead = capacity * position;
        for (int i = 0; i < count; i++)
        {
            byte* from = (byte*)source.buffers[i].Address, to = (byte*)target[i].Address + (place * RowBytes);
            for (long h = 0; h < (long)rows * model.Cache.Heads; h++, from += fromHead, to += toHead)
            {
                System.Runtime.InteropServices.NativeMemory.Clear(to, (nuint)before);
                Buffer.MemoryCopy(from, to + before, used, used);
            }
        }
    }

    private void Tensors(OrtValue?[] tensors, int firstRow, int rows)
    {
        long[] shape = [rows, model.Cache.Heads, capacity, model.Cache.HeadSize];
        for (int i = 0; i < count; i++)
            tensors[i] = OrtValue.CreateTensorValueWithData(buffers[i].Info, model.Cache.Type, shape, buffers[i].Address + (nint)(firstRow * RowBytes), rows * RowBytes);
    }
}

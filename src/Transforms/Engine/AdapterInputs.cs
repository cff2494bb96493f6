using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>
/// The adapters of a decoder's rows, as the graph takes them: R ranks of all of them together; for each projection the matrices one below the other, and for each row its adapter's scale at
/// that adapter's columns. Belongs to one thread at a time.
/// </summary>
internal sealed class AdapterInputs(OnnxAdapters model) : IDisposable
{
    private readonly List<OnnxAdapter> _present = [];   // in the order of the columns
    private OrtValue[] _matrices = [];
    private byte[][] _memory = [];                      // pinned; what the values lie in
    private OnnxAdapter?[] _rows = [];
    private byte[] _scales = [];                        // (B, R)
    private int _rank;

    /// <summary>Each row's adapter.</summary>
    public IReadOnlyList<OnnxAdapter?> Rows => _rows;

    /// <summary>Whether any row has one; else the graph's own defaults do.</summary>
    public bool IsNeeded { get; private set; }

    /// <summary>Says what the rows are computed with. The matrices are laid out anew only where an adapter comes that was not there.</summary>
    public void Set(OnnxAdapter?[] rows)
    {
        _rows = rows;
        OnnxAdapter[] needed = [.. rows.OfType<OnnxAdapter>().Distinct()];
        IsNeeded = needed.Length > 0;
        if (!IsNeeded)
        {
            Clear();
            return;
        }

        if (!needed.All(_present.Contains)) LayOut(needed);
        float[] scales = new float[rows.Length * _rank];
        for (int row = 0; row < rows.Length; row++)
        {
            int column = 0;
            foreach (OnnxAdapter adapter in _present)
            {
                if (adapter == rows[row]) scales.AsSpan((row * _rank) + column, adapter.Options.Rank).Fill(adapter.Scale);
                column += adapter.Options.Rank;
            }
        }

        _scales = OnnxAdapter.Convert(scales, model.Type);
    }

    /// <summary>Places the matrices, in the order of <see cref="OnnxAdapters.Inputs"/>, and before them the scales of some rows, among a call's inputs.</summary>
    /// <returns>The scales, which the caller disposes.</returns>
    public unsafe OrtValue Place(Span<OrtValue> inputs, int firstRow, int rows)
    {
        int bytes = _scales.Length / _rows.Length;
        fixed (byte* address = _scales)
            inputs[0] = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, model.Type, [rows, 1, _rank], (IntPtr)(address + ((long)firstRow * bytes)), (long)rows * bytes);
        _matrices.CopyTo(inputs[1..]);
        return inputs[0];
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private unsafe void LayOut(OnnxAdapter[] needed)
    {
        Clear();
        _present.AddRange(needed);
        _rank = needed.Sum(static adapter => adapter.Options.Rank);
        _memory = new byte[model.Inputs.Count][];
        _matrices = new OrtValue[model.Inputs.Count];
        int size = model.Type == Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float ? sizeof(float) : sizeof(ushort);
        for (int i = 0; i < _matrices.Length; i++)
        {
            (string name, int width) = model.Inputs[i];
            _memory[i] = needed is [{ } only] && only.Find(name) is { } own ? own : Together(name, width * size);
            fixed (byte* address = _memory[i])
                _matrices[i] = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, model.Type, [_rank, width], (IntPtr)address, _memory[i].Length);
        }
    }

    /// <summary>The adapters' matrices beside one projection, zeros where one leaves it alone.</summary>
    private byte[] Together(string name, int rowBytes)
    {
        byte[] all = GC.AllocateArray<byte>(checked(_rank * rowBytes), pinned: true);
        int at = 0;
        foreach (OnnxAdapter adapter in _present)
        {
            adapter.Find(name)?.CopyTo(all, at);
            at += adapter.Options.Rank * rowBytes;
        }

        return all;
    }

    private void Clear()
    {
        foreach (OrtValue value in _matrices) value.Dispose();
        (_matrices, _memory, _scales, _rank) = ([], [], [], 0);
        _present.Clear();
    }
}

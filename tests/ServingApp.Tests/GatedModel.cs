using MLNet.Gpt;

namespace ServingApp.Tests;

/// <summary>A model that waits before each pass until the test lets it go on, and tells which adapters the rows of each pass had.</summary>
internal sealed class GatedModel(IAdaptableModel inner) : IAdaptableModel
{
    private readonly Lock _gate = new();
    private readonly List<string?[]> _passes = [];
    private volatile bool _waits;

    /// <summary>A pass takes one.</summary>
    public SemaphoreSlim Steps { get; } = new(0);

    /// <summary>Whether a pass has come and waits.</summary>
    public bool Waits => _waits && Steps.CurrentCount == 0;

    /// <summary>The adapters of each pass's rows; null for none.</summary>
    public IReadOnlyList<string?[]> Passes
    {
        get
        {
            lock (_gate) return [.. _passes];
        }
    }

    public GptConfig Config => inner.Config;

    public GptDevice Device => inner.Device;

    public LoraProjections AdaptableProjections => inner.AdaptableProjections;

    public IReadOnlyCollection<IModelAdapter> Adapters => inner.Adapters;

    public IModelAdapter LoadAdapter(string name, string folder) => inner.LoadAdapter(name, folder);

    public bool UnloadAdapter(string name) => inner.UnloadAdapter(name);

    public ICausalDecoder BeginDecoding(int rowCount, int capacity) => new Decoder(this, (IForkableDecoder)inner.BeginDecoding(rowCount, capacity), new string?[rowCount]);

    public ICausalDecoder BeginDecoding(IReadOnlyList<IModelAdapter?> adapters, int capacity) =>
        new Decoder(this, (IForkableDecoder)inner.BeginDecoding(adapters, capacity), [.. adapters.Select(static adapter => adapter?.Name)]);

    /// <summary>Leaves the model open: it is the test's.</summary>
    public void Dispose()
    {
    }

    private sealed class Decoder(GatedModel model, IForkableDecoder inner, string?[] rows) : IForkableDecoder
    {
        private readonly IForkableDecoder _inner = inner;
        private string?[] _rows = rows;

        public int RowCount => _inner.RowCount;

        public int Length => _inner.Length;

        public int Capacity => _inner.Capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
        {
            model._waits = true;
            model.Steps.Wait(cancellationToken);
            model._waits = false;
            lock (model._gate) model._passes.Add(_rows);
            _inner.Append(tokenIds, mask, scope, logits, cancellationToken);
        }

        public void SelectRows(ReadOnlySpan<int> rows)
        {
            _inner.SelectRows(rows);
            var selected = new string?[rows.Length];
            for (int i = 0; i < rows.Length; i++) selected[i] = _rows[rows[i]];
            _rows = selected;
        }

        public IForkableDecoder Fork(int capacity) => new Decoder(model, _inner.Fork(capacity), _rows);

        public void Truncate(int length) => _inner.Truncate(length);

        public void Join(IForkableDecoder other)
        {
            _inner.Join(((Decoder)other)._inner);
            _rows = [.. _rows, .. ((Decoder)other)._rows];
        }

        public void Compact() => _inner.Compact();

        public void Dispose() => _inner.Dispose();
    }
}

namespace MLNet.Gpt;

/// <summary>
/// The models that were loaded from model files and are in use: two transformers of a chain over the same model share it, weights and all. A model is
/// disposed with its last share; where shares are dropped undisposed, the garbage collector and the finalizers of ONNX Runtime and of the folder see to it.
/// </summary>
internal static class SharedModels
{
    private static readonly Dictionary<string, WeakReference<Entry>> Entries = [];

    /// <summary>Joins the model of this key, or opens it. Only those who want the same model wait for it.</summary>
    public static Share<TModel> Join<TModel>(string key, Func<TModel> open)
        where TModel : class, IDisposable
    {
        Entry? entry;
        lock (Entries)
        {
            foreach (string dead in Entries.Where(pair => !pair.Value.TryGetTarget(out _)).Select(pair => pair.Key).ToArray())
                Entries.Remove(dead);
            if (!Entries.TryGetValue(key, out WeakReference<Entry>? reference) || !reference.TryGetTarget(out entry))
                Entries[key] = new WeakReference<Entry>(entry = new Entry(key));
            entry.Shares++;
        }

        try
        {
            return new Share<TModel>(entry, (TModel)entry.Open(open));
        }
        catch
        {
            Leave(entry);
            throw;
        }
    }

    private static void Leave(Entry entry)
    {
        lock (Entries)
        {
            if (--entry.Shares > 0) return;
            Entries.Remove(entry.Key);
        }

        entry.Dispose();
    }

    /// <summary>A right to a model; disposing it gives the right up.</summary>
    public sealed class Share<TModel> : IDisposable
    {
        private readonly Entry _entry;
        private int _disposed;

        internal Share(Entry entry, TModel model) => (_entry, Model) = (entry, model);

        public TModel Model { get; }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0) Leave(_entry);
        }
    }

    internal sealed class Entry(string key) : IDisposable
    {
        private readonly Lock _gate = new();
        private IDisposable? _model;

        public string Key { get; } = key;

        /// <summary>Under the lock of all entries.</summary>
        public int Shares { get; set; }

        /// <summary>The model. Who waited for an attempt that failed makes one of its own.</summary>
        public IDisposable Open(Func<IDisposable> open)
        {
            lock (_gate) return _model ??= open();
        }

        public void Dispose() => _model?.Dispose();
    }
}

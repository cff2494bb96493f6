namespace MLNet.Gpt;

/// <summary>
/// The models that were loaded from model files and are in use: two transformers of a chain over the same model share it, weights and all. A model is
/// disposed with its last share; where shares are dropped undisposed, the garbage collector and the finalizers of ONNX Runtime and of the folder see to it.
/// </summary>
internal static class SharedModels
{
    private static readonly Dictionary<string, WeakReference<Entry>> Entries = [];

    /// <summary>Joins the model of this key, or opens it.</summary>
    public static Share<TModel> Join<TModel>(string key, Func<TModel> open)
        where TModel : class, IDisposable
    {
        lock (Entries)
        {
            foreach (string dead in Entries.Where(pair => !pair.Value.TryGetTarget(out _)).Select(pair => pair.Key).ToArray())
                Entries.Remove(dead);
            if (!Entries.TryGetValue(key, out WeakReference<Entry>? reference) || !reference.TryGetTarget(out Entry? entry))
            {
                entry = new Entry(key, open());
                Entries[key] = new WeakReference<Entry>(entry);
            }

            entry.Shares++;
            return new Share<TModel>(entry, (TModel)entry.Model);
        }
    }

    private static void Leave(Entry entry)
    {
        lock (Entries)
        {
            if (--entry.Shares > 0) return;
            Entries.Remove(entry.Key);
        }

        entry.Model.Dispose();
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

    internal sealed class Entry(string key, IDisposable model)
    {
        public string Key { get; } = key;

        public IDisposable Model { get; } = model;

        public int Shares { get; set; }
    }
}

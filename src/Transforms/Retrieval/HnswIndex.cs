using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>
/// A hierarchical navigable small world: a graph of vectors in layers (Malkov and Yashunin 2020; the numbers of its algorithms stand beside the methods). Removed vectors stay as
/// ways and are no results. Vectors that are the same share a place in the graph, where they would else have no neighbours but each other.
/// </summary>
/// <remarks>Not thread-safe: searches may run beside each other, not beside an addition.</remarks>
internal sealed class HnswIndex(HnswOptions options, VectorSimilarity similarity)
{
    // By place in the graph.
    private readonly List<ReadOnlyMemory<float>> _vectors = [];
    private readonly List<List<int>[]> _neighbors = []; // on each of its layers
    private readonly List<List<int>> _numbers = []; // of the vectors that are there, in the order in which they were added
    private readonly Dictionary<ReadOnlyMemory<float>, int> _places = new(SameNumbers.Instance);

    // By number.
    private readonly List<bool> _removed = [];
    private readonly Random _random = new(options.Seed);
    private readonly double _layerScale = 1 / Math.Log(options.MaxNeighbors); // mL
    private int _entry = -1;

    /// <summary>The vectors that were added.</summary>
    public int Count => _removed.Count;

    /// <summary>Adds a vector and gives its number.</summary>
    public int Add(ReadOnlyMemory<float> vector)
    {
        int number = Count;
        _removed.Add(false);
        if (!_places.TryGetValue(vector, out int place)) _places.Add(vector, place = AddPlace(vector));
        _numbers[place].Add(number);
        return number;
    }

    /// <summary>Algorithm 1: a place for a vector that is not there yet.</summary>
    private int AddPlace(ReadOnlyMemory<float> vector)
    {
        int id = _vectors.Count, layer = (int)(-Math.Log(1 - _random.NextDouble()) * _layerScale);
        _vectors.Add(vector);
        _numbers.Add([]);
        _neighbors.Add([.. Enumerable.Range(0, layer + 1).Select(static _ => new List<int>())]);
        if (_entry < 0)
        {
            _entry = id;
            return id;
        }

        int top = _neighbors[_entry].Length - 1;
        List<(float Nearness, int Id)> near = [(Nearness(vector.Span, _entry), _entry)];
        for (int l = top; l > layer; l--) near = SearchLayer(vector.Span, near, 1, l);
        for (int l = Math.Min(top, layer); l >= 0; l--)
        {
            near = SearchLayer(vector.Span, near, options.ConstructionCandidates, l);
            List<int> chosen = Select(near, options.MaxNeighbors, Between);
            _neighbors[id][l].AddRange(chosen);
            int most = l == 0 ? 2 * options.MaxNeighbors : options.MaxNeighbors;
            foreach (int neighbor in chosen)
            {
                List<int> theirs = _neighbors[neighbor][l];
                theirs.Add(id);
                if (theirs.Count <= most) continue;
                ReadOnlyMemory<float> own = _vectors[neighbor];
                List<int> kept = Select([.. theirs.Select(other => (Nearness(own.Span, other), other)).OrderByDescending(static item => item.Item1)], most, Between);
                theirs.Clear();
                theirs.AddRange(kept);
            }
        }

        if (layer > top) _entry = id;
        return id;
    }

    /// <summary>Takes a vector out of the results.</summary>
    public void Remove(int id) => _removed[id] = true;

    /// <summary>Algorithm 5: the nearest vectors, the nearest first; of equally near ones, those that were added first.</summary>
    /// <param name="query">The query.</param>
    /// <param name="count">How many.</param>
    /// <param name="allowed">Which may be results; null for all.</param>
    public List<(float Nearness, int Id)> Search(ReadOnlySpan<float> query, int count, Func<int, bool>? allowed)
    {
        if (_entry < 0) return [];
        List<(float Nearness, int Id)> near = [(Nearness(query, _entry), _entry)];
        for (int l = _neighbors[_entry].Length - 1; l > 0; l--) near = SearchLayer(query, near, 1, l);

        // Where many are no results, more candidates are kept until enough are, or all have been seen; and where the last result is as near as the last candidate, until all that are equally near are there to be put in order.
        for (int candidates = Math.Max(options.SearchCandidates, count); ; candidates = candidates > int.MaxValue / 4 ? int.MaxValue : candidates * 4)
        {
            List<(float Nearness, int Id)> found = SearchLayer(query, near, candidates, 0);
            (float Nearness, int Id)[] results = [.. found
                .SelectMany(item => _numbers[item.Id].Where(number => !_removed[number] && allowed?.Invoke(number) != false).Select(number => (item.Nearness, Number: number)))
                .OrderByDescending(static item => item.Nearness).ThenBy(static item => item.Number).Take(count)];
            bool all = candidates >= _vectors.Count || found.Count < candidates;
            if (all || (results.Length == count && found[^1].Nearness < results[^1].Nearness)) return [.. results];
        }
    }

    /// <summary>Algorithm 2: the nearest vectors that greedy steps on a layer reach, the nearest first.</summary>
    private List<(float Nearness, int Id)> SearchLayer(ReadOnlySpan<float> query, List<(float Nearness, int Id)> entries, int count, int layer)
    {
        var seen = new HashSet<int>(entries.Select(static item => item.Id));
        var open = new PriorityQueue<int, float>(); // the nearest first
        var best = new PriorityQueue<(float Nearness, int Id), float>(); // the farthest first
        foreach ((float nearness, int id) in entries)
        {
            open.Enqueue(id, -nearness);
            best.Enqueue((nearness, id), nearness);
        }

        while (best.Count > count) best.Dequeue();
        while (open.TryDequeue(out int id, out float distance))
        {
            if (best.Count == count && -distance < best.Peek().Nearness) break;
            foreach (int neighbor in _neighbors[id][layer])
            {
                if (!seen.Add(neighbor)) continue;
                float nearness = Nearness(query, neighbor);
                if (best.Count == count && nearness <= best.Peek().Nearness) continue;
                open.Enqueue(neighbor, -nearness);
                best.Enqueue((nearness, neighbor), nearness);
                if (best.Count > count) best.Dequeue();
            }
        }

        var found = new (float Nearness, int Id)[best.Count];
        for (int i = found.Length - 1; i >= 0; i--) found[i] = best.Dequeue();
        return [.. found];
    }

    /// <summary>Algorithm 4: of candidates, the nearest first, those that are nearer to the vector than to one that was chosen; then the discarded, as far as there is room.</summary>
    /// <param name="candidates">Numbers, and how near each is to the vector.</param>
    /// <param name="most">How many.</param>
    /// <param name="between">How near two of them are to each other.</param>
    internal static List<int> Select(IReadOnlyList<(float Nearness, int Id)> candidates, int most, Func<int, int, float> between)
    {
        List<int> chosen = [], discarded = [];
        foreach ((float nearness, int id) in candidates)
        {
            if (chosen.Count == most) return chosen;
            if (chosen.All(other => between(id, other) < nearness)) chosen.Add(id);
            else discarded.Add(id);
        }

        chosen.AddRange(discarded.Take(most - chosen.Count));
        return chosen;
    }

    private float Between(int a, int b) => Nearness(_vectors[a].Span, b);

    private float Nearness(ReadOnlySpan<float> a, int id) => similarity.Nearness(a, _vectors[id].Span);

    /// <summary>Vectors are the same where their bits are.</summary>
    private sealed class SameNumbers : IEqualityComparer<ReadOnlyMemory<float>>
    {
        public static SameNumbers Instance { get; } = new();

        public bool Equals(ReadOnlyMemory<float> a, ReadOnlyMemory<float> b) => MemoryMarshal.AsBytes(a.Span).SequenceEqual(MemoryMarshal.AsBytes(b.Span));

        public int GetHashCode(ReadOnlyMemory<float> vector)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(vector.Span));
            return hash.ToHashCode();
        }
    }
}

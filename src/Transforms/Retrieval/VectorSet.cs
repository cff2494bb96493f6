namespace MLNet.Gpt;

/// <summary>Vectors that can be searched, exactly or through a graph.</summary>
/// <remarks>Not thread-safe: searches may run beside each other, not beside a change.</remarks>
internal sealed class VectorSet
{
    private readonly VectorSimilarity _similarity;
    private readonly HnswOptions? _options;
    private readonly HnswIndex? _graph;
    private readonly List<ReadOnlyMemory<float>> _vectors = []; // one that was removed is empty

    public VectorSet(VectorSimilarity similarity, HnswOptions? graph)
    {
        graph?.Validate();
        (_similarity, _options) = (similarity, graph);
        _graph = graph is null ? null : new HnswIndex(graph, similarity);
    }

    public int Add(ReadOnlyMemory<float> vector)
    {
        _graph?.Add(vector);
        _vectors.Add(vector);
        return _vectors.Count - 1;
    }

    public void Remove(int id)
    {
        _graph?.Remove(id);
        _vectors[id] = default;
    }

    /// <summary>The vector of a number; empty where it was removed.</summary>
    public ReadOnlyMemory<float> this[int id] => _vectors[id];

    /// <summary>A set of the vectors that were not removed, in their order and numbered anew: what was removed takes memory, and time in a search, until then.</summary>
    public VectorSet Compact()
    {
        var compact = new VectorSet(_similarity, _options);
        foreach (ReadOnlyMemory<float> vector in _vectors)
        {
            if (!vector.IsEmpty) compact.Add(vector);
        }

        return compact;
    }

    /// <summary>The nearest vectors, the nearest first; of equally near ones, those that were added first. A graph keeps that order too, and misses no equally near one that it reaches.</summary>
    public List<(float Nearness, int Id)> Search(ReadOnlySpan<float> query, int count, Func<int, bool>? allowed = null)
    {
        if (_graph is not null) return _graph.Search(query, count, allowed);
        var best = new PriorityQueue<(float Nearness, int Id), (float Nearness, int Order)>();
        for (int id = 0; id < _vectors.Count; id++)
        {
            if (_vectors[id].IsEmpty || allowed?.Invoke(id) == false) continue;
            float nearness = _similarity.Nearness(query, _vectors[id].Span);
            if (best.Count < count) best.Enqueue((nearness, id), (nearness, -id));
            else best.EnqueueDequeue((nearness, id), (nearness, -id));
        }

        var found = new (float Nearness, int Id)[best.Count];
        for (int i = found.Length - 1; i >= 0; i--) found[i] = best.Dequeue();
        return [.. found];
    }
}

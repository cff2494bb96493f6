#pragma warning disable MEVD9001 // the services for stores are marked as experimental
using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Microsoft.Extensions.VectorData.ProviderServices;

namespace MLNet.Gpt;

/// <summary>A collection of <see cref="InMemoryVectorStore"/>. Thread-safe. It keeps the records themselves, no copies, and gives them back with their vectors whether asked for or not.</summary>
internal sealed class InMemoryVectorCollection<TKey, TRecord> : VectorStoreCollection<TKey, TRecord>, IMemoryCollection
    where TKey : notnull
    where TRecord : class
{
    private readonly CollectionModel _model;
    private readonly HnswOptions _hnsw;
    private readonly VectorSimilarity[] _similarities;
    private readonly ReaderWriterLockSlim _lock = new();
    private readonly VectorStoreCollectionMetadata _metadata;
    private Contents? _contents; // null while the collection does not exist

    public InMemoryVectorCollection(string name, CollectionModel model, HnswOptions hnsw)
    {
        (Name, _model, _hnsw) = (name, model, hnsw);
        _similarities = [.. model.VectorProperties.Select(static property => VectorSimilarity.Of(property.DistanceFunction))];
        foreach (VectorPropertyModel property in model.VectorProperties)
        {
            if (property.IndexKind is not (null or IndexKind.Flat or IndexKind.Hnsw)) throw new UnsupportedOptionException(nameof(IndexKind), property.IndexKind, $"Choose {IndexKind.Flat} (exact) or {IndexKind.Hnsw}.");
        }

        _metadata = new() { VectorStoreSystemName = "mlnet-gpt-memory", CollectionName = name };
    }

    public override string Name { get; }

    public bool Exists => _contents is not null;

    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(Exists);

    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default)
    {
        Write(() => _contents ??= new Contents(this));
        return Task.CompletedTask;
    }

    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default)
    {
        Delete();
        return Task.CompletedTask;
    }

    public void Delete() => Write(() => _contents = null);

    public override Task<TRecord?> GetAsync(TKey key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(Read(contents => contents.Places.TryGetValue(key, out int place) ? contents.Records[place] : null));

    public override async IAsyncEnumerable<TRecord> GetAsync(
        Expression<Func<TRecord, bool>> filter, int top, FilteredRecordRetrievalOptions<TRecord>? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        await Task.CompletedTask.ConfigureAwait(false);
        Func<TRecord, bool> matches = filter.Compile();
        IEnumerable<TRecord> found = Read(contents => contents.Records.OfType<TRecord>().Where(matches).ToArray());
        IOrderedEnumerable<TRecord>? ordered = null;
        foreach (FilteredRecordRetrievalOptions<TRecord>.OrderByDefinition.SortInfo sort in options?.OrderBy?.Invoke(new()).Values ?? [])
        {
            Func<TRecord, object?> by = sort.PropertySelector.Compile();
            ordered = (ordered, sort.Ascending) switch
            {
                (null, true) => found.OrderBy(by),
                (null, false) => found.OrderByDescending(by),
                (_, true) => ordered.ThenBy(by),
                _ => ordered.ThenByDescending(by),
            };
        }

        foreach (TRecord record in (ordered ?? found).Skip(options?.Skip ?? 0).Take(top))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return record;
        }
    }

    public override Task DeleteAsync(TKey key, CancellationToken cancellationToken = default)
    {
        Write(() =>
        {
            Contents contents = Required();
            contents.Remove(key);
            contents.CompactIfDue();
        });
        return Task.CompletedTask;
    }

    public override Task UpsertAsync(TRecord record, CancellationToken cancellationToken = default) => UpsertAsync([record], cancellationToken);

    public override async Task UpsertAsync(IEnumerable<TRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        TRecord[] all = [.. records];
        int missing = Array.IndexOf(all, null);
        if (missing >= 0) throw new ArgumentException($"Record {missing} for '{Name}' is null; leave it out.", nameof(records));
        TKey[] keys = [.. all.Select(KeyOf)];

        // 1. The vectors, those of all records at once where they have to be made.
        var vectors = new ReadOnlyMemory<float>[_model.VectorProperties.Count][];
        for (int p = 0; p < vectors.Length; p++)
        {
            VectorPropertyModel property = _model.VectorProperties[p];
            object?[] values = [.. all.Select(property.GetValueAsObject)];
            ReadOnlyMemory<float>?[] given = [.. values.Select(ToVector)];
            if (given.All(static vector => vector is not null))
            {
                vectors[p] = [.. given.Select(static vector => vector!.Value)];
            }
            else
            {
                if (property.EmbeddingGenerationDispatcher is null) throw NoGenerator(property, values.First(static value => ToVector(value) is null));
                IReadOnlyList<Embedding> made = await property.GenerateEmbeddingsAsync(values, cancellationToken).ConfigureAwait(false);
                vectors[p] = [.. made.Select(static embedding => ((Embedding<float>)embedding).Vector)];
            }

            foreach (ReadOnlyMemory<float> vector in vectors[p]) Check(property, vector);
        }

        // 2. All records or none.
        Write(() => Required().Replace(keys, all, i => [.. vectors.Select(property => property[i])], cancellationToken));
    }

    public override async IAsyncEnumerable<VectorSearchResult<TRecord>> SearchAsync<TInput>(
        TInput searchValue, int top, VectorSearchOptions<TRecord>? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(searchValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        options ??= new();
        VectorPropertyModel property = _model.GetVectorPropertyOrSingle(options);
        int index = _model.VectorProperties.ToList().IndexOf(property);
        cancellationToken.ThrowIfCancellationRequested();
        ReadOnlyMemory<float> query = ToVector(searchValue) ?? (property.EmbeddingGenerationDispatcher is null
            ? throw NoGenerator(property, searchValue)
            : ((Embedding<float>)await property.GenerateEmbeddingAsync(searchValue, cancellationToken).ConfigureAwait(false)).Vector);
        Check(property, query);
        Func<TRecord, bool>? filter = options.Filter?.Compile();
        List<VectorSearchResult<TRecord>> results = Read(contents => contents.Vectors[index]
            .Search(query.Span, (int)Math.Min(int.MaxValue, (long)top + options.Skip), filter is null ? null : place => contents.Records[place] is { } record && filter(record))
            .Skip(options.Skip)
            .Select(item => new VectorSearchResult<TRecord>(contents.Records[item.Id]!, _similarities[index].ToScore(item.Nearness)))
            .Where(result => options.ScoreThreshold is not { } threshold || _similarities[index].Reaches(result.Score!.Value, threshold)).ToList());
        foreach (VectorSearchResult<TRecord> result in results)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return result;
        }
    }

    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return serviceType == typeof(VectorStoreCollectionMetadata) ? _metadata : serviceType.IsInstanceOfType(this) ? this : null;
    }

    private TKey KeyOf(TRecord record)
    {
        KeyPropertyModel property = _model.KeyProperty;
        if (property.IsAutoGenerated && (property.GetValueAsObject(record) ?? Guid.Empty) is Guid guid && guid == Guid.Empty) property.SetValueAsObject(record, Guid.NewGuid());
        return (TKey?)property.GetValueAsObject(record) ?? throw new VectorStoreException($"A record for '{Name}' has no key; set its property '{property.ModelName}'.");
    }

    private void Check(VectorPropertyModel property, ReadOnlyMemory<float> vector)
    {
        if (vector.Length != property.Dimensions) throw new VectorStoreException($"A vector for '{Name}.{property.ModelName}' has {vector.Length} numbers; the property is declared with {property.Dimensions}. Make it with the same embedding model, or change the declaration.");
        int broken = vector.Span.IndexOfAnyExceptInRange(-float.MaxValue, float.MaxValue);
        if (broken >= 0) throw new VectorStoreException(FormattableString.Invariant($"Number {broken} of a vector for '{Name}.{property.ModelName}' is {vector.Span[broken]}, which is near nothing. Look for what has made it."));
    }

    private VectorStoreException NoGenerator(VectorPropertyModel property, object? value) =>
        new($"The value for '{Name}.{property.ModelName}' is {value?.GetType().Name ?? "null"}, no vector, and there is nothing to make one of it; give the store an embedding generator.");

    private static ReadOnlyMemory<float>? ToVector(object? value) => value switch
    {
        ReadOnlyMemory<float> memory => (ReadOnlyMemory<float>?)memory,
        float[] array => array,
        Embedding<float> embedding => embedding.Vector,
        _ => (ReadOnlyMemory<float>?)null, // not null alone, which would become an empty vector
    };

    private Contents Required() => _contents ?? throw new VectorStoreException($"The collection '{Name}' does not exist; call {nameof(EnsureCollectionExistsAsync)} first.");

    private T Read<T>(Func<Contents, T> read)
    {
        _lock.EnterReadLock();
        try
        {
            return read(Required());
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    private void Write(Action write)
    {
        _lock.EnterWriteLock();
        try
        {
            write();
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    private sealed class Contents(InMemoryVectorCollection<TKey, TRecord> owner)
    {
        // Fewer places of removed records than this are not worth the work.
        private const int Slack = 100;

        public Dictionary<TKey, int> Places { get; private set; } = [];

        public List<TRecord?> Records { get; private set; } = [];

        public VectorSet[] Vectors { get; private set; } = [.. owner._model.VectorProperties.Select((property, index) => new VectorSet(owner._similarities[index], property.IndexKind == IndexKind.Hnsw ? owner._hnsw : null))];

        /// <summary>Puts records in, in the place of those with the same keys; where it is cancelled, all is as it was before.</summary>
        public void Replace(TKey[] keys, TRecord[] records, Func<int, ReadOnlyMemory<float>[]> vectorsOf, CancellationToken cancellationToken)
        {
            var before = new List<(TRecord Record, ReadOnlyMemory<float>[] Vectors)?>(); // what each has replaced
            try
            {
                for (int i = 0; i < keys.Length; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested(); // a graph takes its time
                    before.Add(Places.TryGetValue(keys[i], out int place) ? (Records[place]!, [.. Vectors.Select(set => set[place])]) : null);
                    Remove(keys[i]);
                    Add(keys[i], records[i], vectorsOf(i));
                }
            }
            catch
            {
                for (int i = before.Count - 1; i >= 0; i--)
                {
                    Remove(keys[i]);
                    if (before[i] is { } one) Add(keys[i], one.Record, one.Vectors);
                }

                throw;
            }
            finally
            {
                CompactIfDue();
            }
        }

        public void Add(TKey key, TRecord record, ReadOnlyMemory<float>[] vectors)
        {
            Places.Add(key, Records.Count);
            Records.Add(record);
            for (int p = 0; p < vectors.Length; p++) Vectors[p].Add(vectors[p]);
        }

        public void Remove(TKey key)
        {
            if (!Places.Remove(key, out int place)) return;
            Records[place] = null;
            foreach (VectorSet set in Vectors) set.Remove(place);
        }

        /// <summary>Frees the places of removed records when they are more than those of the others, so that a collection that is changed for ever grows no larger, at the cost of one more addition for each record that is removed.</summary>
        public void CompactIfDue()
        {
            if (Records.Count - Places.Count <= Math.Max(Places.Count, Slack)) return;
            KeyValuePair<TKey, int>[] inOrder = [.. Places.OrderBy(static place => place.Value)];
            Records = [.. inOrder.Select(place => Records[place.Value])];
            Places = new(inOrder.Select(static (place, index) => KeyValuePair.Create(place.Key, index)));
            Vectors = [.. Vectors.Select(static set => set.Compact())];
        }
    }
}

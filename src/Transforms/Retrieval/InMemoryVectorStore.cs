#pragma warning disable MEVD9001 // the services for stores are marked as experimental
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace MLNet.Gpt;

/// <summary>A vector store in memory, behind the abstractions of Microsoft.Extensions.VectorData.</summary>
/// <remarks>Thread-safe. What it holds goes with the process. Collections of one name are one, however often they are asked for.</remarks>
public sealed class InMemoryVectorStore : VectorStore
{
    private readonly ConcurrentDictionary<string, object> _collections = new(StringComparer.Ordinal);
    private readonly IEmbeddingGenerator? _embeddings;
    private readonly HnswOptions _hnsw;
    private readonly VectorStoreMetadata _metadata = new() { VectorStoreSystemName = "mlnet-gpt-memory" };

    /// <summary>Creates an empty store.</summary>
    /// <param name="embeddingGenerator">Makes vectors of texts, such as <see cref="GptModelExtensions.AsEmbeddingGenerator"/>'s; null where records and queries bring their vectors. Not disposed by the store.</param>
    /// <param name="hnsw">How properties with the index kind "Hnsw" are searched; null for the defaults.</param>
    public InMemoryVectorStore(IEmbeddingGenerator? embeddingGenerator = null, HnswOptions? hnsw = null)
    {
        hnsw?.Validate();
        _embeddings = embeddingGenerator;
        _hnsw = hnsw ?? new HnswOptions();
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">A collection of this name holds other records.</exception>
    /// <exception cref="UnsupportedOptionException">A property's distance function or index kind is none that this store has.</exception>
    public override VectorStoreCollection<TKey, TRecord> GetCollection<TKey, TRecord>(string name, VectorStoreCollectionDefinition? definition = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        object found = _collections.GetOrAdd(name, _ => new InMemoryVectorCollection<TKey, TRecord>(name, new MemoryModelBuilder().Build(typeof(TRecord), typeof(TKey), definition, _embeddings), _hnsw));
        return found as VectorStoreCollection<TKey, TRecord> ?? throw OtherRecords(name, found);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">A collection of this name holds other records.</exception>
    /// <exception cref="UnsupportedOptionException">A property's distance function or index kind is none that this store has.</exception>
    public override VectorStoreCollection<object, Dictionary<string, object?>> GetDynamicCollection(string name, VectorStoreCollectionDefinition definition)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        object found = _collections.GetOrAdd(name, _ => new InMemoryVectorCollection<object, Dictionary<string, object?>>(name, new MemoryModelBuilder().BuildDynamic(definition, _embeddings), _hnsw));
        return found as VectorStoreCollection<object, Dictionary<string, object?>> ?? throw OtherRecords(name, found);
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<string> ListCollectionNamesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach ((string name, object collection) in _collections.OrderBy(static item => item.Key, StringComparer.Ordinal))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (((IMemoryCollection)collection).Exists) yield return name;
        }
    }

    /// <inheritdoc/>
    public override Task<bool> CollectionExistsAsync(string name, CancellationToken cancellationToken = default) =>
        Task.FromResult(_collections.TryGetValue(name, out object? collection) && ((IMemoryCollection)collection).Exists);

    /// <inheritdoc/>
    public override Task EnsureCollectionDeletedAsync(string name, CancellationToken cancellationToken = default)
    {
        if (_collections.TryGetValue(name, out object? collection)) ((IMemoryCollection)collection).Delete();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return serviceType == typeof(VectorStoreMetadata) ? _metadata : serviceType.IsInstanceOfType(this) ? this : null;
    }

    private static InvalidOperationException OtherRecords(string name, object found) =>
        new($"The collection '{name}' holds {string.Join(" and ", found.GetType().GetGenericArguments().Select(static type => type.Name))}; ask for these, or take another name.");
}

using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>An embedding generator over a <see cref="GptModel"/>. Thread-safe.</summary>
internal sealed class GptEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly GptModel _model;
    private readonly EmbedTextOptions _options;
    private readonly EmbeddingGeneratorMetadata _metadata;

    public GptEmbeddingGenerator(GptModel model, EmbedTextOptions options, string modelId)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelId);
        options.Validate();
        SpecialTokensOption.Validate(options.SpecialTokens);
        (_model, _options) = (model, options);
        _metadata = new EmbeddingGeneratorMetadata("MLNet.Gpt", providerUri: null, modelId, model.Config.EmbeddingSize);
    }

    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } dimensions && dimensions != _model.Config.EmbeddingSize)
            throw ChatRequest.Refuse(nameof(options.Dimensions), dimensions, $"The model's vectors have {_model.Config.EmbeddingSize} numbers; leave it out.");
        if (options?.ModelId is { } id && id != _metadata.DefaultModelId)
            throw ChatRequest.Refuse(nameof(options.ModelId), id, $"This generator's model is '{_metadata.DefaultModelId}'; leave it out, or ask another generator.");
        if (options?.RawRepresentationFactory is not null) throw ChatRequest.Refuse(nameof(options.RawRepresentationFactory), "set", "Leave it out.");
        if (options?.AdditionalProperties is { Count: > 0 } more) throw ChatRequest.Refuse($"{nameof(options.AdditionalProperties)}[{more.Keys.First()}]", more.Values.First(), "Leave it out.");

        IReadOnlyList<SequenceEmbedding> embeddings = await Task.Run(() => _model.Embed([.. values], _options, cancellationToken), cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        long tokens = embeddings.Sum(embedding => (long)embedding.TokenCount);
        return new(embeddings.Select(embedding => new Embedding<float>(embedding.Vector) { ModelId = _metadata.DefaultModelId, CreatedAt = DateTimeOffset.UtcNow }))
        {
            Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
        };
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType == typeof(GptModel) ? _model
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Does nothing: the model is the caller's.</summary>
    public void Dispose()
    {
    }
}

namespace MLNet.Gpt;

/// <summary>How passages are found for a question and put into a context.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record RetrieveTextOptions
{
    /// <summary>The most passages for a question, 1 or more. Default 4.</summary>
    public int Top { get; init; } = 4;

    /// <summary>
    /// The most tokens of the context, separators included, 1 or more. Default 512. Passages are taken from the nearest on while they fit; one that does not is left out and the next is tried, so that
    /// a context may be empty.
    /// </summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>Passages whose cosine similarity to the question is below this are left out: -1 to 1. Default -1, which leaves none out.</summary>
    public float MinSimilarity { get; init; } = -1;

    /// <summary>What stands between passages. Default a blank line.</summary>
    public string Separator { get; init; } = "\n\n";

    /// <summary>How passages and questions become vectors. Default <see cref="EmbedTextOptions"/>'s own values, with which texts that are too long lose their end. The columns that they name must be null.</summary>
    public EmbedTextOptions Embedding { get; init; } = new();

    /// <summary>How a graph for approximate search is built and searched; null (the default) compares the question with every passage.</summary>
    public HnswOptions? Hnsw { get; init; }

    /// <summary>The column of the chosen passages' cosine similarities, the nearest first: a vector of Single of each row's own length. Null (the default) leaves it out.</summary>
    public string? SimilarityColumnName { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Top, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTokens, 1);
        if (!(MinSimilarity >= -1 && MinSimilarity <= 1)) throw new ArgumentOutOfRangeException(nameof(MinSimilarity), MinSimilarity, FormattableString.Invariant($"{nameof(MinSimilarity)} is {MinSimilarity}; a cosine is -1 to 1."));
        ArgumentNullException.ThrowIfNull(Separator);
        ArgumentNullException.ThrowIfNull(Embedding);
        Embedding.Validate();
        foreach ((string? value, string name) in ((string?, string)[])[(Embedding.TokenCountColumnName, nameof(Embedding.TokenCountColumnName)), (Embedding.DroppedTokenCountColumnName, nameof(Embedding.DroppedTokenCountColumnName))])
        {
            if (value is not null) throw new ArgumentException($"{nameof(Embedding)}.{name} is '{value}', and no such column is added; leave it null.", nameof(Embedding));
        }

        Hnsw?.Validate();
    }
}

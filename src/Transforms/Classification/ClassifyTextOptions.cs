using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>How texts are classified, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ClassifyTextOptions
{
    /// <summary>The rows that a cursor reads ahead, 1 or more; within them texts of like length are computed together. Default 256.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>
    /// The most tokens, padding included, that are computed at once, 1 or more; the sequences of one row are never divided. Where lengths differ much, fewer are, since padding costs as much as text.
    /// Null (the default): 1,024 on a CPU, 4,096 on a GPU; more use more memory and gain little.
    /// </summary>
    public int? MaxBatchTokens { get; init; }

    /// <summary>The key column of the most probable class. Default "PredictedLabel"; null leaves it out. A regression has none. Read by the transformer only.</summary>
    public string? PredictedLabelColumnName { get; init; } = "PredictedLabel";

    /// <summary>The Int32 column of how many tokens did not fit the context. Null (the default) leaves it out. Read by the transformer only.</summary>
    public string? DroppedTokenCountColumnName { get; init; }

    /// <summary>Ends the computation with an <see cref="OperationCanceledException"/>. Default none; not saved with the transformer.</summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Validate()
    {
        foreach ((int? value, string name) in ((int?, string)[])[(BatchSize, nameof(BatchSize)), (MaxBatchTokens, nameof(MaxBatchTokens))])
        {
            if (value < 1) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be 1 or more.");
        }
    }
}

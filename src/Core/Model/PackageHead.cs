namespace MLNet.Gpt;

/// <summary>A head over the trunk of a package, as its config.json describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it gives.</param>
internal sealed record PackageHead(string Name, OnnxHeadKind Kind)
{
    /// <summary>The id of the first token that the head adds behind the vocabulary. A model of its own has it at the vocabulary's size.</summary>
    public int FirstTokenId { get; init; }

    /// <summary>Of a <see cref="OnnxHeadKind.Classifier"/>; else null.</summary>
    public ClassifierHead? Classifier { get; init; }

    /// <summary>Of a <see cref="OnnxHeadKind.Reward"/>; else null.</summary>
    public RewardHead? Reward { get; init; }

    /// <summary>Of a <see cref="OnnxHeadKind.Embedding"/>.</summary>
    public EmbeddingPooling Pooling { get; init; }

    /// <summary>Of a <see cref="OnnxHeadKind.Embedding"/>: whether vectors have the length 1.</summary>
    public bool Normalize { get; init; }

    /// <summary>The graph's output.</summary>
    public string Output => OnnxPackageLayout.HeadOutput(Name);

    /// <summary>The tokens that the head adds.</summary>
    public int AddedTokenCount => Classifier is null ? Reward?.AddedTokenCount ?? 0 : TaskSequences.SpecialTokenCount;

    /// <summary>The rows of hidden states that are added before the head.</summary>
    public int SequencesPerOutput => Classifier?.SequencesPerOutput ?? 1;

    /// <summary>The numbers that a row of T tokens gives.</summary>
    public int OutputsOf(int t, GptConfig config) => Kind switch
    {
        OnnxHeadKind.Classifier => Classifier!.OutputCount,
        OnnxHeadKind.Value => t,
        OnnxHeadKind.Embedding => config.EmbeddingSize,
        _ => 1,
    };
}

namespace MLNet.Gpt;

/// <summary>
/// Low-rank adaptation (Hu et al. 2021, section 4.1): beside each chosen projection W a product of two narrow matrices is trained,
/// y = x·W + b + s·Dropout(x)·Aᵀ·Bᵀ with s = α/r, and everything else stays as it was.
/// </summary>
/// <remarks>Immutable. The defaults are PEFT's for GPT-2. The trained parameters are r·(in + out) for each projection.</remarks>
public sealed record LoraOptions
{
    /// <summary>r: the width of the two matrices, 1 or more. Default 8.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α: the term is scaled by α/r, above 0. Default 8.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout on the input of the term, in training, in [0, 1). 0 (the default) switches it off.</summary>
    public float Dropout { get; init; }

    /// <summary>The projections to adapt. Default <see cref="LoraProjections.AttentionIn"/>, PEFT's for GPT-2; <see cref="LoraProjections.All"/> comes closer to training all weights.</summary>
    public LoraProjections Projections { get; init; } = LoraProjections.AttentionIn;

    /// <summary>The layers to adapt, from 0, each once; null (the default) means all.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>Whether the term is scaled by α/√r in place of α/r, so that a large rank does not shrink it (Kalajdzievski 2023; PEFT's <c>use_rslora</c>). Default false.</summary>
    public bool RankStabilized { get; init; }

    /// <summary>s: α/r, or α/√r where <see cref="RankStabilized"/> is set.</summary>
    public double Scale => Alpha / (RankStabilized ? Math.Sqrt(Rank) : Rank);

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public LoraOptions Validate()
    {
        if (Rank < 1) throw new ArgumentOutOfRangeException(nameof(Rank), Rank, $"Rank is {Rank}; it must be 1 or more.");
        if (!(Alpha > 0 && double.IsFinite(Alpha))) throw new ArgumentOutOfRangeException(nameof(Alpha), Alpha, FormattableString.Invariant($"Alpha is {Alpha}; it must be above 0 and finite."));
        if (!(Dropout is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(Dropout), Dropout, FormattableString.Invariant($"Dropout is {Dropout}; it must be at least 0 and below 1 (0 switches it off)."));
        if (Projections == LoraProjections.None || (Projections & ~LoraProjections.All) != 0)
            throw new ArgumentOutOfRangeException(nameof(Projections), Projections, $"Projections is {Projections}; choose one or more of AttentionIn, AttentionOut, FeedForwardIn and FeedForwardOut.");
        if (Layers is not null && (Layers.Count == 0 || Layers.Any(static layer => layer < 0) || Layers.Distinct().Count() < Layers.Count))
            throw new ArgumentException($"Layers is [{string.Join(", ", Layers)}]; name one or more layers, from 0, each once, or set it to null for all.", nameof(Layers));
        return this;
    }

    /// <summary>Checks that the layers exist in a model.</summary>
    internal LoraOptions ValidateFor(GptConfig config)
    {
        Validate();
        if (Layers?.Any(layer => layer >= config.LayerCount) == true)
            throw new ArgumentException($"Layers is [{string.Join(", ", Layers)}], and the model has {config.LayerCount} layers, 0 to {config.LayerCount - 1}.", nameof(Layers));
        return this;
    }
}

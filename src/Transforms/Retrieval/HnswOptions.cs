namespace MLNet.Gpt;

/// <summary>How a graph for approximate search is built and searched (Malkov and Yashunin 2020, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs").</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record HnswOptions
{
    /// <summary>M: the neighbours of a vector on each upper layer, twice as many on the lowest; 2 or more. Default 16; the paper uses 5 to 48. More finds more and takes more memory.</summary>
    public int MaxNeighbors { get; init; } = 16;

    /// <summary>efConstruction: the candidates that are looked at when a vector is added, 1 or more. Default 200.</summary>
    public int ConstructionCandidates { get; init; } = 200;

    /// <summary>ef: the candidates that are kept in a search, 1 or more; at least as many as results are asked for are kept. Default 64. More finds more and takes longer.</summary>
    public int SearchCandidates { get; init; } = 64;

    /// <summary>The seed of the layers' draws. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxNeighbors, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(ConstructionCandidates, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(SearchCandidates, 1);
    }
}

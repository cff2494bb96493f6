namespace MLNet.Gpt;

/// <summary>A decoder that tells which adapters its rows are computed with.</summary>
internal interface IAdaptedDecoder
{
    /// <summary>Each row's adapter; null for none.</summary>
    IReadOnlyList<IModelAdapter?> Adapters { get; }
}

namespace MLNet.Gpt;

/// <summary>Which products of float32 matrices <see cref="MatrixProduct"/> gives to oneDNN; the others are MKL's.</summary>
internal enum OneDnnProducts
{
    None,

    /// <summary>Large ones: a wide layer's forward pass and its input's gradient, and a weight's gradient where that is wide too.</summary>
    Large,

    /// <summary>All that are worth a call.</summary>
    All,
}

namespace MLNet.Gpt;

/// <summary>What a parameter does in the network. Whoever treats parameters differently (initial values, weight decay, number format) asks for the role, never for the name.</summary>
internal enum GptParameterRole
{
    /// <summary>A vector for each token, (V, C); the output head too, where that is tied to it.</summary>
    TokenEmbedding,

    /// <summary>A vector for each position, (T, C).</summary>
    PositionEmbedding,

    /// <summary>The factor of a layer normalization, (C); 1 at first.</summary>
    LayerNormGain,

    /// <summary>The term of a layer normalization, (C); 0 at first.</summary>
    LayerNormBias,

    /// <summary>The matrix of a projection inside a block, [in, out].</summary>
    Projection,

    /// <summary>The matrix of a projection whose result is added to the residual stream, [in, out]; a block has two of them.</summary>
    ResidualProjection,

    /// <summary>The term of either kind of projection, (out); 0 at first.</summary>
    ProjectionBias,

    /// <summary>The vectors of the tokens that a task or a reward model adds, (n, C).</summary>
    TaskTokenEmbedding,

    /// <summary>The matrix of a task head, (K, C).</summary>
    HeadWeight,

    /// <summary>The term of a task head, (K); 0 at first.</summary>
    HeadBias,

    /// <summary>The inner matrix A of a LoRA adapter, (r, in).</summary>
    AdapterIn,

    /// <summary>The outer matrix B of a LoRA adapter, (out, r); 0 at first.</summary>
    AdapterOut,
}

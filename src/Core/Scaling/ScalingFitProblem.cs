namespace MLNet.Gpt;

/// <summary>Why runs can't tell a scaling law.</summary>
public enum ScalingFitProblem
{
    /// <summary>There are no more runs than coefficients, so nothing would tell how far to trust the curve.</summary>
    TooFewRuns,

    /// <summary>A run's loss, size or compute is not a positive, finite number.</summary>
    InvalidRun,

    /// <summary>The runs have fewer than three model sizes N, which leaves α open.</summary>
    ParametersDoNotVary,

    /// <summary>The runs have fewer than three token counts D, which leaves β open.</summary>
    TokensDoNotVary,

    /// <summary>The runs have fewer than three amounts of compute C, which leaves γ open.</summary>
    ComputeDoesNotVary,

    /// <summary>D is a power of N over all runs, so that the two effects can't be told apart.</summary>
    ParametersAndTokensVaryTogether,

    /// <summary>The best curve does not fall as models, data or compute grow.</summary>
    LossDoesNotFall,
}

namespace MLNet.Gpt;

/// <summary>How a token's share of KL(policy, reference) is estimated from the two log-probabilities (Schulman 2020, "Approximating KL divergence").</summary>
public enum KlEstimator
{
    /// <summary>log π − log π_ref: unbiased; below 0 for a token that the reference prefers.</summary>
    K1,

    /// <summary>π_ref/π − 1 − log(π_ref/π): unbiased, never below 0, and of less variance.</summary>
    K3,
}

namespace MLNet.Gpt;

/// <summary>How much each token counts in GRPO's loss.</summary>
public enum GroupLoss
{
    /// <summary>Each response alike, the tokens of a long one less (Shao et al. 2024, equation 3).</summary>
    Grpo,

    /// <summary>Each token alike, over the most tokens that a response may have (Liu et al. 2025, Dr. GRPO).</summary>
    DrGrpo,

    /// <summary>Each token alike, over the tokens of the update (Yu et al. 2025, DAPO, equation 12).</summary>
    Dapo,
}

namespace MLNet.Gpt;

/// <summary>Which earlier positions a position attends to.</summary>
public enum GptAttentionPattern
{
    /// <summary>Every layer attends to all earlier positions.</summary>
    Dense,

    /// <summary>
    /// Even layers (0, 2, …) are dense; odd layers attend to the last
    /// <see cref="GptConfig.AttentionBandWidth"/> positions, themselves included
    /// (Brown et al. 2020, section 2.1, after Child et al. 2019).
    /// </summary>
    AlternatingDenseAndBanded,
}

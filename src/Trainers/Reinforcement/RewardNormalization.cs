namespace MLNet.Gpt;

/// <summary>What is done to scores before they are learnt from.</summary>
public enum RewardNormalization
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Divided by the standard deviation of all scores so far.</summary>
    Scale,

    /// <summary>The mean of all scores so far is taken away, and the rest divided by their standard deviation.</summary>
    Standardize,
}

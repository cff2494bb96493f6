namespace MLNet.Gpt;

/// <summary>Where a reward model's head reads the hidden states of a prompt and its response.</summary>
public enum RewardReadout
{
    /// <summary>At the response's last token, which is the one that ends it (Ouyang et al. 2022, section 3.5).</summary>
    LastToken,

    /// <summary>At a token of the reward model's own behind the response, whose embedding is trained with it.</summary>
    ReadoutToken,
}

namespace MLNet.Gpt;

/// <summary>How a policy is optimised.</summary>
public enum PolicyAlgorithm
{
    /// <summary>Proximal policy optimisation with a value model (Schulman et al. 2017; for language models Ouyang et al. 2022, section 3.5).</summary>
    Ppo,

    /// <summary>Group-relative policy optimisation: a response is compared with the others to its prompt, and there is no value model (Shao et al. 2024, section 4.1).</summary>
    Grpo,

    /// <summary>REINFORCE leave-one-out: the baseline of a response is the mean of the others to its prompt (Ahmadian et al. 2024, section 2.3).</summary>
    Rloo,
}

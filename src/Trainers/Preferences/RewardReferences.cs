namespace MLNet.Gpt;

/// <summary>The responses whose mean reward is made 0 when training is over: a reward above 0 is then better than they are.</summary>
public enum RewardReferences
{
    /// <summary>The best-graded response to each prompt, in the place of InstructGPT's demonstrations (Ouyang et al. 2022, section 3.5).</summary>
    PreferredResponses,

    /// <summary>All responses that were trained on.</summary>
    AllResponses,

    /// <summary>None: the rewards stay as they are.</summary>
    None,
}

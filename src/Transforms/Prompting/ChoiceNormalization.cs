namespace MLNet.Gpt;

/// <summary>What a candidate answer's log-likelihood is divided by, or compared with, before candidates are ranked.</summary>
public enum ChoiceNormalization
{
    /// <summary>Nothing: ln p(answer | prompt). Favours short answers.</summary>
    None,

    /// <summary>The answer's number of tokens (Brown et al. 2020, section 2.4).</summary>
    PerToken,

    /// <summary>The number of the answer's UTF-8 bytes, without the separator before it: independent of the vocabulary.</summary>
    PerByte,

    /// <summary>
    /// ln p(answer | prompt) - ln p(answer | answer context), the answer context being "Answer:" (Brown et al. 2020, section 2.4): how much likelier the prompt makes the
    /// answer than it is anyway.
    /// </summary>
    Unconditional,
}

namespace MLNet.Gpt;

/// <summary>
/// What direct preference training minimises. h = (log π(y⁺|x) − log π_ref(y⁺|x)) − (log π(y⁻|x) − log π_ref(y⁻|x)), where y⁺ is the preferred response to the prompt x and y⁻ the other.
/// </summary>
public enum PreferenceObjective
{
    /// <summary>−log σ(βh): DPO (Rafailov et al. 2023, equation 7), with <see cref="DirectPreferenceOptions.LabelSmoothing"/> cDPO (Mitchell 2023).</summary>
    Sigmoid,

    /// <summary>(h − 1/(2β))²: IPO (Azar et al. 2023, equation 17), which stops at a margin and so does not run away where all labels agree.</summary>
    Identity,

    /// <summary>max(0, 1 − βh) (Zhao et al. 2023, SLiC; Liu et al. 2023, RSO, equation 9).</summary>
    Hinge,
}

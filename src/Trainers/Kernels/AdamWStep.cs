namespace MLNet.Gpt;

/// <summary>The numbers of one AdamW update.</summary>
/// <param name="Clip">What the gradient is multiplied by.</param>
/// <param name="Beta1">β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="SecondMomentScale">1 / √(1 - β₂^t).</param>
/// <param name="Epsilon">ε.</param>
/// <param name="StepSize">The learning rate / (1 - β₁^t).</param>
/// <param name="Keep">1 - learning rate · weight decay.</param>
/// <param name="DecayCount">How many parameters at the front decay; a multiple of 16.</param>
internal readonly record struct AdamWStep(float Clip, float Beta1, float Beta2, float SecondMomentScale, float Epsilon, float StepSize, float Keep, long DecayCount);

namespace MLNet.Gpt;

/// <summary>AdamW and its learning rate as GPT-1's supervised fine-tuning has them: a short linear warm-up, then a straight line down to 0 at the last update.</summary>
/// <remarks>Immutable. The defaults are the paper's (Radford et al. 2018, section 4.1); β1 is 0.9, β2 0.999 and ε 1e-8, Adam's own.</remarks>
public sealed record TaskOptimizerOptions
{
    /// <summary>The learning rate after the warm-up, above 0. Default 6.25e-5 (section 4.1); a small model takes more, 1e-4 to 1e-3.</summary>
    public double LearningRate { get; init; } = 6.25e-5;

    /// <summary>
    /// The share of the updates over which the rate rises linearly from 0, in [0, 1); 0 switches the warm-up off. It is rounded up to whole updates, and the last update is never one of them, so that every run
    /// reaches <see cref="LearningRate"/>, also a run of one. Default 0.002 (section 4.1).
    /// </summary>
    public double WarmupFraction { get; init; } = 0.002;

    /// <summary>Decoupled weight decay on matrices, 0 or more; 0 switches it off. Default 0.01 (section 4.1).</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The largest Euclidean norm of the gradient, over all that is trained; 0 switches clipping off. Default 1.</summary>
    public double GradientClipNorm { get; init; } = 1;

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public TaskOptimizerOptions Validate()
    {
        OptionCheck.Require(LearningRate > 0 && double.IsFinite(LearningRate), LearningRate, nameof(LearningRate), "above 0 and finite");
        OptionCheck.Require(WarmupFraction is >= 0 and < 1, WarmupFraction, nameof(WarmupFraction), "at least 0 and below 1");
        OptionCheck.Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), WeightDecay, nameof(WeightDecay), "0 or more and finite");
        OptionCheck.Require(GradientClipNorm >= 0 && double.IsFinite(GradientClipNorm), GradientClipNorm, nameof(GradientClipNorm), "0 or more and finite (0 switches it off)");
        return this;
    }

    /// <summary>The rate of one update.</summary>
    /// <param name="step">The update, from 0.</param>
    /// <param name="maxSteps">All updates.</param>
    internal double RateAt(int step, int maxSteps) => LearningRateSchedule.Linear(step, LearningRate, Math.Min((int)Math.Ceiling(WarmupFraction * maxSteps), maxSteps - 1), maxSteps);

    /// <summary>The optimizer's own part.</summary>
    internal AdamWOptions ToAdamW() => new() { LearningRate = LearningRate, WarmupSteps = 0, Beta2 = 0.999, WeightDecay = WeightDecay, GradientClipNorm = GradientClipNorm };
}

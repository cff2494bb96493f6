namespace MLNet.Gpt;

/// <summary>The learning rate of each step: a linear warm-up, then a way down.</summary>
/// <remarks>Thread-safe.</remarks>
internal static class LearningRateSchedule
{
    /// <summary>Linear warm-up, then a straight line down to 0 (Radford et al. 2018, section 4.1).</summary>
    /// <param name="step">0 or more; the first step is 0.</param>
    /// <param name="rate">The rate after the warm-up.</param>
    /// <param name="warmupSteps">Steps of the warm-up.</param>
    /// <param name="maxSteps">The length of the run.</param>
    /// <returns>rate·(step + 1)/(warmup + 1) while step &lt; warmup; rate·(max - step)/(max - warmup) after it, 0 at the end.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public static double Linear(int step, double rate, int warmupSteps, int maxSteps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (step < warmupSteps) return rate * (step + 1) / (warmupSteps + 1.0);
        return step >= maxSteps ? 0 : rate * (maxSteps - step) / (maxSteps - warmupSteps);
    }

    /// <summary>Linear warm-up, then a cosine down to a minimum, then that minimum (Brown et al. 2020, appendix B).</summary>
    /// <param name="step">0 or more; the first step is 0.</param>
    /// <param name="options">The rates and the warm-up.</param>
    /// <param name="maxSteps">The length of the run, where <see cref="AdamWOptions.DecaySteps"/> says nothing else.</param>
    /// <returns>
    /// rate·(step + 1)/(warmup + 1) while step &lt; warmup; minimum + ½(1 + cos(π·(step - warmup)/(decay - warmup)))·(rate - minimum)
    /// until the decay step; the minimum after it.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public static double At(int step, AdamWOptions options, int maxSteps)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        double minimum = options.MinLearningRate ?? options.LearningRate / 10;
        int decay = options.DecaySteps ?? maxSteps;
        if (step < options.WarmupSteps) return options.LearningRate * (step + 1) / (options.WarmupSteps + 1.0);
        if (step >= decay) return minimum;
        double progress = (double)(step - options.WarmupSteps) / (decay - options.WarmupSteps);
        return minimum + (0.5 * (1 + Math.Cos(Math.PI * progress)) * (options.LearningRate - minimum));
    }
}

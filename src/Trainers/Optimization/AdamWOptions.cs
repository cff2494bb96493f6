using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>AdamW, its learning-rate schedule and gradient clipping.</summary>
/// <remarks>Immutable; the defaults are GPT-2's pretraining as nanoGPT does it, but for the shorter warm-up. To tune a pretrained model, begin with <see cref="FineTuning"/>.</remarks>
public sealed record AdamWOptions
{
    /// <summary>
    /// What the trainers of pretrained models have by default but for the rate, of which each has its own: no warm-up and no weight decay. Set the rate and keep the rest with
    /// <c>AdamWOptions.FineTuning with { LearningRate = 1e-4 }</c>. Its own rate is 6.25e-5 (Radford et al. 2018, section 4.1, for 117 M parameters).
    /// </summary>
    public static AdamWOptions FineTuning { get; } = new() { LearningRate = 6.25e-5, WarmupSteps = 0, WeightDecay = 0 };

    /// <summary>The learning rate after the warm-up, above 0. Default 6e-4, GPT-3's for 125 M parameters (Brown et al. 2020, table 2.1).</summary>
    public double LearningRate { get; init; } = 6e-4;

    /// <summary>The rate that the cosine decays to, 0 or more; null (the default) means a tenth of <see cref="LearningRate"/> (Brown et al. 2020, appendix B). Set it to <see cref="LearningRate"/> for a constant rate.</summary>
    public double? MinLearningRate { get; init; }

    /// <summary>Steps over which the rate rises linearly from 0; 0 switches the warm-up off. Default 100. Where it is not over by a run's last update, the run begins with a warning.</summary>
    public int WarmupSteps { get; init; } = 100;

    /// <summary>The step at which the cosine reaches its minimum; null (the default) means the last step.</summary>
    public int? DecaySteps { get; init; }

    /// <summary>β1, in [0, 1). Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β2, in [0, 1). Default 0.95 (Brown et al. 2020, appendix B); 0.99 suits small batches better.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>ε, above 0. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, 0 or more, on tensors of two or more dimensions; 0 switches it off. Default 0.1 (Brown et al. 2020, appendix B).</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>The largest Euclidean norm of the gradient; a longer one is scaled down to it. 0 switches clipping off. Default 1 (Brown et al. 2020, appendix B).</summary>
    public double GradientClipNorm { get; init; } = 1.0;

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public AdamWOptions Validate()
    {
        Check(LearningRate > 0 && double.IsFinite(LearningRate), LearningRate, nameof(LearningRate), "above 0 and finite");
        Check(MinLearningRate is not { } minimum || (minimum >= 0 && minimum <= LearningRate), MinLearningRate, nameof(MinLearningRate), FormattableString.Invariant($"from 0 to LearningRate ({LearningRate})"));
        Check(WarmupSteps >= 0, WarmupSteps, nameof(WarmupSteps), "0 or more");
        Check(DecaySteps is not { } decay || decay > WarmupSteps, DecaySteps, nameof(DecaySteps), $"more than WarmupSteps ({WarmupSteps})");
        Check(Beta1 is >= 0 and < 1, Beta1, nameof(Beta1), "at least 0 and below 1");
        Check(Beta2 is >= 0 and < 1, Beta2, nameof(Beta2), "at least 0 and below 1");
        Check(Epsilon > 0 && double.IsFinite(Epsilon), Epsilon, nameof(Epsilon), "above 0 and finite");
        Check(WeightDecay >= 0 && double.IsFinite(WeightDecay), WeightDecay, nameof(WeightDecay), "0 or more and finite");
        Check(GradientClipNorm >= 0 && double.IsFinite(GradientClipNorm), GradientClipNorm, nameof(GradientClipNorm), "0 or more and finite (0 switches it off)");
        return this;

        static void Check(bool ok, object? value, string name, string range)
        {
            if (!ok) throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be {range}."));
        }
    }

    /// <summary>Warns of a warm-up that is not over by the last update: the rate is then never the one that was set.</summary>
    /// <param name="channel">Where to.</param>
    /// <param name="maxSteps">The updates of the run.</param>
    internal void WarnOfWarmup(IChannel channel, int maxSteps)
    {
        if (WarmupSteps < maxSteps) return;
        double last = LearningRateSchedule.At(maxSteps - 1, this, maxSteps);
        channel.Warning(MessageSensitivity.None, "{0}", FormattableString.Invariant($"Optimizer.{nameof(WarmupSteps)} is {WarmupSteps} and the run makes {maxSteps} updates: the learning rate rises to the last of them, to {last:G3} of {LearningRate:G3}. Set {nameof(WarmupSteps)} to less than the updates, or to 0 for none."));
    }
}

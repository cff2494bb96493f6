namespace MLNet.Gpt;

/// <summary>A loop's options as its shared parts take them, all defaults decided.</summary>
/// <param name="Run">How the run is carried out.</param>
/// <param name="Optimizer">The optimizer.</param>
/// <param name="MaxSteps">The updates of the whole run.</param>
/// <param name="EvaluationInterval">Updates between evaluations; 0 where there are none.</param>
/// <param name="EarlyStoppingPatience">Evaluations in a row without a lower loss that end the run; 0 for never.</param>
/// <param name="ReturnBest">Whether the weights of the best evaluation are returned.</param>
/// <param name="LossAxis">What stands beside the vertical axis of the loss curve.</param>
/// <param name="IsLanguageModel">Whether the loss is a language model's.</param>
internal sealed record RunSettings(
    RunOptions Run, AdamWOptions Optimizer, int MaxSteps, int EvaluationInterval, int EarlyStoppingPatience, bool ReturnBest, string LossAxis, bool IsLanguageModel)
{
    /// <summary>Decides.</summary>
    /// <param name="run">How the run is carried out.</param>
    /// <param name="evaluation">What is validated on, and how often.</param>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="interval">Updates between evaluations, where the options leave it open.</param>
    /// <param name="returnBest">Whether the best weights are returned, where the options leave it open.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    /// <param name="lossAxis">What stands beside the vertical axis of the loss curve.</param>
    /// <param name="isLanguageModel">Whether the loss is a language model's.</param>
    public static RunSettings Of(
        RunOptions run, EvaluationOptions evaluation, AdamWOptions optimizer, int maxSteps, int interval, bool returnBest, bool evaluates, string lossAxis, bool isLanguageModel = true) =>
        new(run, optimizer, maxSteps, evaluates ? evaluation.Interval ?? interval : 0, evaluation.EarlyStoppingPatience, evaluation.ReturnBest ?? returnBest, lossAxis, isLanguageModel);
}

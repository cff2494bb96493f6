namespace MLNet.Gpt;

/// <summary>Where the time of an update goes, in milliseconds, the mean since the last report: <see cref="RunOptions.MeasureStepTimes"/>.</summary>
/// <param name="Forward">The network up to the last hidden states.</param>
/// <param name="Backward">The head, the loss and all gradients.</param>
/// <param name="Optimizer">The gradient's norm, clipping, the update, the average of the weights, zeroing.</param>
/// <param name="Data">Waiting for the batch and bringing it to the device.</param>
/// <param name="Rest">What is left of the update.</param>
public sealed record StepTimes(double Forward, double Backward, double Optimizer, double Data, double Rest)
{
    /// <summary>The whole update.</summary>
    public double Total => Forward + Backward + Optimizer + Data + Rest;
}

namespace MLNet.Gpt;

/// <summary>The loss that a scaling law predicts for a run, and where that run's loss is to be expected.</summary>
/// <param name="Loss">The curve's value, nats per token.</param>
/// <param name="Lower">The lower end of the prediction interval, 0 or more.</param>
/// <param name="Upper">The upper end of the prediction interval, at most infinity.</param>
/// <param name="Level">The probability with which a new run's loss lies in the interval, if the law holds there and runs scatter independently about it.</param>
/// <param name="DegreesOfFreedom">Runs less coefficients: what the scatter was estimated from. With few, the interval is wide, and rightly so.</param>
public sealed record LossPrediction(double Loss, double Lower, double Upper, double Level, int DegreesOfFreedom)
{
    /// <summary>Whether a loss lies in the interval.</summary>
    /// <param name="loss">A measured loss, nats per token.</param>
    public bool Contains(double loss) => loss >= Lower && loss <= Upper;

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Loss:F4}, {100 * Level:0.#} % interval {Lower:F4} to {Upper:F4} ({DegreesOfFreedom} degrees of freedom)");
}

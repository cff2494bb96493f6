namespace MLNet.Gpt;

/// <summary>How one finished training run came out.</summary>
/// <param name="ParameterCount">
/// N: the model's parameters. All, as Hoffmann et al. (2022) count them, or those outside the embeddings, as Kaplan et al. (2020) do; the
/// second fits better where the embeddings are a large part. The same count for every run, and for what is predicted.
/// </param>
/// <param name="TokenCount">D: the tokens that were trained on, repetitions included.</param>
/// <param name="Loss">
/// The final held-out loss, nats per token. A run's schedule has to end where the run ends: the loss of a longer run on the way is higher
/// than that of a run which was planned to end there (Hoffmann et al. 2022, section 3.1).
/// </param>
public sealed record ScalingRun(double ParameterCount, double TokenCount, double Loss)
{
    /// <summary>C = 6·N·D: the floating-point operations of the run, attention's quadratic part left out (Kaplan et al. 2020, section 2.1).</summary>
    public double Flops => 6 * ParameterCount * TokenCount;
}

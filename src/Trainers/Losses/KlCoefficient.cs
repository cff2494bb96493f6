namespace MLNet.Gpt;

/// <summary>The weight β of the KL penalty: fixed, or steered towards a target.</summary>
/// <param name="Value">β.</param>
/// <param name="Target">The KL to hold, nats a response, above 0; null keeps β as it is.</param>
/// <param name="Horizon">The responses over which β follows an error: larger is slower.</param>
internal sealed record KlCoefficient(double Value, double? Target, double Horizon)
{
    /// <summary>β after some responses: β·(1 + clip(KL/target − 1, −0.2, 0.2)·n/horizon) (Ziegler et al. 2019, section 2.2).</summary>
    /// <param name="kl">Their mean KL from the reference, nats a response.</param>
    /// <param name="responses">n.</param>
    public KlCoefficient After(double kl, int responses) =>
        Target is { } target ? this with { Value = Value * (1 + (Math.Clamp((kl / target) - 1, -0.2, 0.2) * responses / Horizon)) } : this;
}

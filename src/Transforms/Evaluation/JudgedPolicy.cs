namespace MLNet.Gpt;

/// <summary>How a policy did among others on the same prompts.</summary>
/// <param name="Name">Its name.</param>
/// <param name="MeanReward">The mean of the judge's numbers.</param>
/// <param name="RewardStandardError">Its standard error.</param>
/// <param name="MeanTokens">The mean tokens of a response, the one that ends it included.</param>
/// <param name="FinishedShare">The share of the responses that the policy ended itself.</param>
/// <param name="Entropy">
/// The mean of −log π over the tokens of its own responses, in nats: an unbiased estimate of the policy's entropy for each token. Null where the responses are not drawn from its own
/// distribution.
/// </param>
/// <param name="Kl">The divergence from the reference, KL(π‖π_ref) of a whole response in nats: the mean of log π − log π_ref over its own responses. Null without a reference.</param>
/// <param name="KlStandardError">Its standard error.</param>
public sealed record JudgedPolicy(string Name, double MeanReward, double RewardStandardError, double MeanTokens, double FinishedShare, double? Entropy, double? Kl, double? KlStandardError)
{
    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Name}: reward {MeanReward:F3}{SampleStatistics.PlusMinus(RewardStandardError, "F3")}, {MeanTokens:F1} tokens, {FinishedShare:P0} finished{(Entropy is { } e ? FormattableString.Invariant($", entropy {e:F3}") : "")}{(Kl is { } kl ? FormattableString.Invariant($", KL {kl:F3}{SampleStatistics.PlusMinus(KlStandardError ?? double.NaN, "F3")}") : "")}");
}

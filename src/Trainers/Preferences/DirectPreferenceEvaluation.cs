using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>How a policy does on pairs.</summary>
/// <param name="Loss">The objective's mean; NaN where a likelihood is not finite.</param>
/// <param name="Metrics">How the implied rewards agree with the choices; null where one is not finite.</param>
internal sealed record DirectPreferenceEvaluation(double Loss, PreferenceMetrics? Metrics)
{
    /// <summary>Evaluates, dropout off.</summary>
    /// <param name="network">The policy.</param>
    /// <param name="pairs">The pairs, with their reference.</param>
    /// <param name="pairsAtOnce">Pairs computed at once.</param>
    /// <param name="options">The objective.</param>
    /// <param name="cancellation">Ends the evaluation with an <see cref="OperationCanceledException"/>.</param>
    public static DirectPreferenceEvaluation Of(GptNetwork network, IReadOnlyList<PreferencePair> pairs, int pairsAtOnce, DirectPreferenceOptions options, CancellationToken cancellation)
    {
        PairLikelihoods[] likelihoods = PreferencePass.Likelihoods(network, pairs, pairsAtOnce, options.LengthNormalized, cancellation);
        PairLikelihoods[] ratios = [.. likelihoods.Select((one, i) => new PairLikelihoods(one.Chosen - pairs[i].Reference.Chosen, one.Rejected - pairs[i].Reference.Rejected))];
        if (!ratios.All(static one => double.IsFinite(one.Chosen) && double.IsFinite(one.Rejected))) return new(double.NaN, null);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor all = tensor((double[])[.. ratios.Select(static one => one.Chosen), .. ratios.Select(static one => one.Rejected)]);   // (R) float64
        return new(PreferencePass.Each(all, options).mean().item<double>(), Agreement(ratios.Select(one => (options.Beta * one.Chosen, options.Beta * one.Rejected))));
    }

    /// <summary>The share of the pairs whose chosen response the reference finds the likelier one.</summary>
    public static double ReferenceAccuracy(IReadOnlyList<PreferencePair> pairs) => Agreement(pairs.Select(static pair => (pair.Reference.Chosen, pair.Reference.Rejected))).Accuracy;

    /// <summary>What the responses' lengths alone would have achieved: the longer, or the shorter, is taken to be better, whichever of the two holds more often in the training pairs.</summary>
    public static double LengthAccuracy(IReadOnlyList<PreferencePair> training, IReadOnlyList<PreferencePair> validation)
    {
        double sign = Of(training, 1) >= 0.5 ? 1 : -1;
        return Of(validation, sign);

        static double Of(IReadOnlyList<PreferencePair> pairs, double sign) => Agreement(pairs.Select(pair => (sign * pair.Chosen.TargetCount, sign * pair.Rejected.TargetCount))).Accuracy;
    }

    private static PreferenceMetrics Agreement(IEnumerable<(double Chosen, double Rejected)> scores) => PreferenceMetrics.Of(scores.Select(static pair => new GradedScores([1, 0], [pair.Chosen, pair.Rejected])));
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>How a reward model does on graded responses.</summary>
/// <param name="Loss">−log σ(r⁺ − r⁻), a prompt's mean and then the prompts'; NaN where a reward is not finite.</param>
/// <param name="Metrics">The rest; null where a reward is not finite.</param>
internal sealed record RewardEvaluation(double Loss, PreferenceMetrics? Metrics)
{
    /// <summary>Evaluates, dropout off.</summary>
    /// <param name="network">The network; its training mode is restored.</param>
    /// <param name="groups">The prompts.</param>
    /// <param name="promptsAtOnce">Prompts computed at once.</param>
    /// <param name="cancellation">Ends the evaluation with an <see cref="OperationCanceledException"/>.</param>
    public static RewardEvaluation Of(RewardNetwork network, IReadOnlyList<RankedGroup> groups, int promptsAtOnce, CancellationToken cancellation)
    {
        double[][] rewards = Rewards(network, groups, promptsAtOnce, cancellation);
        if (rewards.Any(static group => group.Any(static reward => !double.IsFinite(reward)))) return new(double.NaN, null);
        PreferenceMetrics metrics = PreferenceMetrics.Of(groups.Select((group, i) => new GradedScores(group.Grades, rewards[i])));
        return new(metrics.Loss, metrics);
    }

    /// <summary>The rewards of all responses, dropout off.</summary>
    public static double[][] Rewards(RewardNetwork network, IReadOnlyList<RankedGroup> groups, int promptsAtOnce, CancellationToken cancellation)
    {
        bool training = network.Network.Training;
        network.Network.Training = false;
        try
        {
            using var noGradient = no_grad();
            var rewards = new double[groups.Count][];
            foreach (int[] chunk in Enumerable.Range(0, groups.Count).OrderByDescending(i => groups[i].Width).Chunk(promptsAtOnce))
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var batch = new RewardBatch([.. chunk.SelectMany(i => groups[i].Responses).Select(static response => response.Sequence)], network.Config, network.Network.TorchDevice);
                var values = new float[batch.RowCount];
                network.Rewards(batch).CopyFloatsTo(values);            // sync: reads the rewards
                int at = 0;
                foreach (int i in chunk)
                {
                    int count = groups[i].Responses.Length;
                    rewards[i] = [.. values.Skip(at).Take(count).Select(static value => (double)value)];
                    at += count;
                }
            }

            return rewards;
        }
        finally
        {
            network.Network.Training = training;
        }
    }

    /// <summary>
    /// What the responses' lengths alone would have achieved: the share of the validation pairs whose longer (or shorter) response is the better one, whichever of
    /// the two holds more often in the training pairs. A reward model that is not well above it may have learnt to count.
    /// </summary>
    public static double LengthAccuracy(IReadOnlyList<RankedGroup> training, IReadOnlyList<RankedGroup> validation)
    {
        double sign = Of(training, 1) >= 0.5 ? 1 : -1;
        return Of(validation, sign);

        static double Of(IReadOnlyList<RankedGroup> groups, double sign) =>
            PreferenceMetrics.Of(groups.Select(group => new GradedScores(group.Grades, [.. group.Responses.Select(response => sign * response.ResponseLength)]))).Accuracy;
    }

    /// <summary>The mean reward of the responses that are to have a mean of 0; 0 where there are none.</summary>
    public static double ReferenceMean(RewardNetwork network, IReadOnlyList<RankedGroup> training, RewardReferences references, int promptsAtOnce, CancellationToken cancellation)
    {
        if (references == RewardReferences.None) return 0;
        double[][] rewards = Rewards(network, training, promptsAtOnce, cancellation);
        return references == RewardReferences.AllResponses
            ? rewards.SelectMany(static group => group).Average()
            : rewards.Select((group, i) => group.Where((_, j) => training[i].Grades[j] == training[i].Grades.Max()).Average()).Average();
    }
}

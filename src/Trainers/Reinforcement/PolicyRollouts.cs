using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Makes rollouts: responses of the policy as it is, scored, with what is learnt from each token.</summary>
internal sealed class PolicyRollouts(PolicyTrainedModel model, PolicySampler sampler, RewardScorer rewards, IReadOnlyList<PolicyPrompt> prompts, PolicyOptimizationOptions options, int? rowsAtOnce, long seed)
{
    private readonly int _promptsOfRollout = options.RolloutSize / options.SamplesPerPrompt;
    private readonly EpochOrder _order = new(prompts.Count, seed);

    /// <summary>Prompts of one pass, in rollouts.</summary>
    public double RolloutsPerEpoch => (double)prompts.Count / _promptsOfRollout;

    /// <summary>For tests: told of each rollout.</summary>
    internal Action<Rollout>? Made { get; init; }

    /// <summary>Makes the next rollout.</summary>
    /// <param name="before">What the rollouts before left.</param>
    /// <returns>It, and what it leaves.</returns>
    public (Rollout Rollout, PolicyState State) Make(PolicyState before)
    {
        // 1. The next prompts of the epoch's order, K responses to each, drawn from the policy as it is now.
        int index = before.Rollouts;
        int[] places = [.. Enumerable.Range(0, _promptsOfRollout).Select(i => _order.Of(checked((index * _promptsOfRollout) + i), 1).Single())];
        IReadOnlyList<RolloutRow> rows = sampler.Draw([.. places.Select(place => prompts[place])], places, options.SamplesPerPrompt, SeedOf(index), options.Run.CancellationToken);

        // 2. Their scores.
        (double[] scores, double[][] bySource) = rewards.Score(rows, prompts, options.Run.CancellationToken);

        // 3. log π_old, log π_ref and V_old of each token, computed in the very parts that the first updates compute, so that ratios begin at exactly 1.
        foreach (IReadOnlyList<RolloutRow> update in Updates(rows, index, epoch: 0))
        {
            foreach (IReadOnlyList<RolloutRow> part in Parts(update))
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();
                Evaluate(model, part, options.Rollout.Temperature);
            }
        }

        // 4. β, which follows the KL of the rollout before where it is adaptive; rewards and advantages.
        double beta = before.KlCoefficient is { } last ? new KlCoefficient(last, options.Kl.Target, options.Kl.Horizon).After(before.Kl, options.RolloutSize).Value : options.KlCoefficient;
        PolicyState state = before.With(scores) with { Rollouts = index + 1, KlCoefficient = beta, Kl = rows.Average(static row => row.Kl) };
        double[] learnt = [.. scores.Select((score, i) => state.Learnt(score, rows[i].IsComplete, options.Reward))];
        foreach (RolloutRow row in rows) row.Counts = row.IsComplete || options.Algorithm != PolicyAlgorithm.Grpo || !options.GrpoInUse.MaskTruncated;
        double[] total = PolicyAdvantages.Set(rows, learnt, beta, options);
        var rollout = new Rollout(rows, beta, PolicyMetrics.OfRollout(rows, scores, learnt, total, bySource, beta, options));
        Made?.Invoke(rollout);
        return (rollout, state with { IsOverLimit = state.Kl > options.Kl.Limit });
    }

    /// <summary>The responses of each update of an inner epoch, in an order of its own.</summary>
    /// <param name="rows">The rollout.</param>
    /// <param name="rollout">Which one, from 0.</param>
    /// <param name="epoch">The inner epoch, from 0.</param>
    public IReadOnlyList<IReadOnlyList<RolloutRow>> Updates(IReadOnlyList<RolloutRow> rows, int rollout, int epoch)
    {
        ulong key = RandomBits.Mix(unchecked((ulong)seed) ^ RandomBits.Mix(((ulong)rollout << 32) + (ulong)epoch));
        return [.. Enumerable.Range(0, rows.Count).OrderBy(i => RandomBits.Mix(key ^ RandomBits.Mix((ulong)i))).Select(i => rows[i]).Chunk(options.BatchSize)];
    }

    /// <summary>An update's responses, those of like length together, as many at once as fit.</summary>
    public IEnumerable<IReadOnlyList<RolloutRow>> Parts(IReadOnlyList<RolloutRow> update) => update.OrderByDescending(static row => row.Width).Chunk(rowsAtOnce ?? options.BatchSize);

    /// <summary>The objective on other prompts: mean score − β·KL, with β as it is at first.</summary>
    /// <param name="others">The prompts.</param>
    public double Objective(IReadOnlyList<PolicyPrompt> others)
    {
        IReadOnlyList<RolloutRow> rows = sampler.Draw(others, [.. Enumerable.Range(0, others.Count)], 1, SeedOf(-1), options.Run.CancellationToken);
        foreach (IReadOnlyList<RolloutRow> part in Parts(rows))
        {
            options.Run.CancellationToken.ThrowIfCancellationRequested();
            Evaluate(model, part, options.Rollout.Temperature);
        }

        double[] scores = rewards.Score(rows, others, options.Run.CancellationToken).Scores;
        return scores.Average() - (options.KlCoefficient * rows.Average(static row => row.Kl));
    }

    /// <summary>Computes log π, log π_ref and V of responses' tokens by full passes, dropout off.</summary>
    internal static void Evaluate(PolicyTrainedModel model, IReadOnlyList<RolloutRow> rows, double temperature)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var batch = new PolicyBatch(rows, model.Network.TorchDevice);
        float[][] own = Of(model.Network), reference = Of(model.Reference), values = model.Value is { } value ? Off(value.Network, () => batch.Split(batch.Values(value))) : [];
        for (int i = 0; i < rows.Count; i++)
        {
            (rows[i].LogProbabilities, rows[i].ReferenceLogProbabilities) = (own[i], reference[i]);
            if (values.Length > 0) rows[i].Values = values[i];
        }

        float[][] Of(GptNetwork network) => Off(network, () => batch.Split(batch.LogProbabilities(network, batch.States(network), temperature)));

        static float[][] Off(GptNetwork network, Func<float[][]> compute)
        {
            bool training = network.Training;
            network.Training = false;
            try
            {
                return compute();
            }
            finally
            {
                network.Training = training;
            }
        }
    }

    private int SeedOf(int rollout) => unchecked((int)RandomBits.Mix(RandomBits.Mix((ulong)seed ^ 0x726F6C6C6F757400) + (ulong)rollout));   // "rollout"
}

namespace MLNet.Gpt;

/// <summary>What policy optimisation carries from rollout to rollout, in a checkpoint's state.</summary>
internal sealed record PolicyState
{
    /// <summary>Rollouts made.</summary>
    public int Rollouts { get; init; }

    /// <summary>β of the last rollout; null before the first.</summary>
    public double? KlCoefficient { get; init; }

    /// <summary>The mean KL of the last rollout, nats a response.</summary>
    public double Kl { get; init; }

    /// <summary>The mean score of the last rollout before normalisation.</summary>
    public double Score { get; init; }

    /// <summary>Scores so far.</summary>
    public long ScoreCount { get; init; }

    /// <summary>Their mean.</summary>
    public double ScoreMean { get; init; }

    /// <summary>The sum of their squared distances from the mean.</summary>
    public double ScoreSquares { get; init; }

    /// <summary>Whether the limit of the KL ended the run.</summary>
    public bool IsOverLimit { get; init; }

    /// <summary>Which number no run can have left; null where all can be.</summary>
    /// <param name="step">The updates made.</param>
    public string? Problem(int step)
    {
        // A rollout has one update or more; the last one may have none yet.
        int least = step > 0 ? 1 : 0;
        if (Rollouts < least || Rollouts > (long)step + 1) return $"its policy.rollouts is {Rollouts}; it must be {least} to {(long)step + 1}.";
        if (Rollouts > 0 && KlCoefficient is null) return "its policy.kl_coefficient is missing, and a rollout was made.";
        return ScoreCount < Rollouts ? $"its policy.score_count is {ScoreCount}; each of its {Rollouts} rollouts has 1 or more." : null;
    }

    /// <summary>The same with more scores (Chan, Golub and LeVeque 1983, equation 2.1).</summary>
    public PolicyState With(IReadOnlyList<double> scores)
    {
        double mean = scores.Average(), squares = scores.Sum(score => (score - mean) * (score - mean)), gap = mean - ScoreMean;
        long count = ScoreCount + scores.Count;
        return this with
        {
            Score = mean,
            ScoreCount = count,
            ScoreMean = ScoreMean + (gap * scores.Count / count),
            ScoreSquares = ScoreSquares + squares + (gap * gap * ScoreCount * scores.Count / count),
        };
    }

    /// <summary>What is learnt from instead of a score (<see cref="PolicyRewardOptions"/>).</summary>
    /// <param name="score">Σ weight·reward.</param>
    /// <param name="isComplete">Whether the response ended.</param>
    /// <param name="options">How.</param>
    public double Learnt(double score, bool isComplete, PolicyRewardOptions options)
    {
        double deviation = Math.Sqrt(ScoreSquares / Math.Max(1, ScoreCount - 1));
        if (deviation <= 1e-8) deviation = 1;                                                              // all scores so far are the same
        double normalized = options.Normalization switch
        {
            RewardNormalization.Scale => score / deviation,
            RewardNormalization.Standardize => (score - ScoreMean) / deviation,
            _ => score,
        };
        double clipped = options.ClipRange is { } range ? Math.Clamp(normalized, -range, range) : normalized;
        return isComplete ? clipped : clipped - options.MissingEndPenalty;
    }
}

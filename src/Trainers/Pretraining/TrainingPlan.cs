using System.Globalization;

namespace MLNet.Gpt;

/// <summary>A stage with everything decided.</summary>
/// <param name="FirstStep">The updates before it.</param>
/// <param name="Steps">Its updates; 0 for a last stage that the others leave nothing to.</param>
/// <param name="SequenceLength">T of its rows.</param>
/// <param name="BatchSize">Rows of an update.</param>
/// <param name="MicroBatchSize">Rows computed at once, a divisor of <paramref name="BatchSize"/>.</param>
internal sealed record PlannedStage(int FirstStep, int Steps, int SequenceLength, int BatchSize, int MicroBatchSize)
{
    public long TokensPerStep => (long)BatchSize * SequenceLength;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Steps} steps of {BatchSize} rows of {SequenceLength} tokens, {MicroBatchSize} rows at once");
}

/// <summary>What a run does at which step: the stages of the options, then rows of the full context up to the last step.</summary>
internal sealed class TrainingPlan
{
    private TrainingPlan(IReadOnlyList<PlannedStage> stages) => Stages = stages;

    /// <summary>In order; the last one has the full context, and may have no steps.</summary>
    public IReadOnlyList<PlannedStage> Stages { get; }

    /// <summary>Rows that an evaluation computes at once.</summary>
    public int EvaluationRows => Stages[^1].MicroBatchSize;

    /// <summary>The stages' micro-batch sizes, as a checkpoint records them.</summary>
    public string MicroBatchSizes => string.Join(' ', Stages.Select(static s => s.MicroBatchSize.ToString(CultureInfo.InvariantCulture)));

    /// <summary>The stages of the options, and the one that they leave over.</summary>
    public static IReadOnlyList<TrainingStage> StagesOf(LanguageModelOptions options) =>
        [.. options.Stages, new(options.MaxSteps - options.Stages.Sum(static s => s.Steps), options.Model.ContextLength, options.BatchSize)];

    /// <summary>The plan of options whose micro-batch sizes are known.</summary>
    /// <param name="options">Validated.</param>
    /// <param name="found">A size for each stage, where one of them is <see cref="MicroBatchSize.Auto"/>.</param>
    public static TrainingPlan Of(LanguageModelOptions options, IReadOnlyList<int>? found = null)
    {
        var stages = new List<PlannedStage>();
        int step = 0;
        foreach (TrainingStage stage in StagesOf(options))
        {
            MicroBatchSize wanted = stage.MicroBatchSize ?? options.MicroBatchSize;
            int micro = wanted.IsAuto
                ? (found ?? throw new ArgumentNullException(nameof(found), "A micro-batch size is Auto and was not searched for."))[stages.Count]
                : wanted.Rows ?? stage.BatchSize;
            stages.Add(new(step, stage.Steps, stage.SequenceLength, stage.BatchSize, micro));
            step += stage.Steps;
        }

        return new(stages);
    }

    /// <summary>The sizes that a checkpoint recorded for these stages; null where it is of another number of stages.</summary>
    public static IReadOnlyList<int>? Recorded(LanguageModelOptions options, string? sizes)
    {
        string[] parts = sizes?.Split(' ') ?? [];
        IReadOnlyList<TrainingStage> stages = StagesOf(options);
        if (parts.Length != stages.Count) return null;
        var found = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out found[i]) || found[i] < 1 || stages[i].BatchSize % found[i] != 0) return null;
        }

        return found;
    }

    /// <summary>Whether a micro-batch size has to be searched for.</summary>
    public static bool NeedsSearch(LanguageModelOptions options) => StagesOf(options).Any(s => (s.MicroBatchSize ?? options.MicroBatchSize).IsAuto);

    /// <summary>The stage of a step; the last one from its end on.</summary>
    public PlannedStage StageOf(int step) => Stages.FirstOrDefault(s => step < s.FirstStep + s.Steps) ?? Stages[^1];

    /// <summary>The tokens of the first <paramref name="steps"/> updates.</summary>
    public long TokensOf(int steps) => Stages.Sum(s => Math.Clamp(steps - s.FirstStep, 0, ReferenceEquals(s, Stages[^1]) ? int.MaxValue : s.Steps) * s.TokensPerStep);
}

namespace MLNet.Gpt;

/// <summary>The micro-batch of a reward model's run whose options leave it to a search: prompts as large as the largest that the run meets.</summary>
internal static class RewardMicroBatch
{
    /// <summary>Searches.</summary>
    /// <param name="model">What is trained; it is left as it was.</param>
    /// <param name="training">The prompts.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <returns>A divisor of the batch size, or of the prompts where there are fewer.</returns>
    /// <exception cref="TrainingOutOfMemoryException">Not even one prompt fits.</exception>
    public static int Find(RewardTrainedModel model, IReadOnlyList<RankedGroup> training, RewardModelOptions options, Action<string> log)
    {
        RankedGroup largest = training.MaxBy(static group => (long)group.Width * group.Responses.Length)!;
        int width = training.Max(static group => group.Width);
        RankedGroup group = new(0, [.. largest.Responses.Select(response => response with { Sequence = [.. Enumerable.Repeat(0, width - 1), response.Sequence[^1]] })]);
        using var search = new MicroBatchSearch(model.Network, model.Sets, TrainingMemory.Of(model, options.Run), log);
        return search.Find(Math.Min(options.BatchSize, training.Count), group.Responses.Length, width, count => RewardModelLoop.Backward(model.Reward, [.. Enumerable.Repeat(group, count)], count, options));
    }
}

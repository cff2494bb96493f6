namespace MLNet.Gpt;

/// <summary>The micro-batch of a direct preference run whose options leave it to a search: pairs as long as the longest that the run meets.</summary>
internal static class DirectPreferenceMicroBatch
{
    /// <summary>Searches.</summary>
    /// <param name="model">What is trained; it is left as it was.</param>
    /// <param name="training">The pairs.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <returns>A divisor of the batch size, or of the pairs where there are fewer.</returns>
    /// <exception cref="TrainingOutOfMemoryException">Not even one pair fits.</exception>
    public static int Find(FineTuningModel model, IReadOnlyList<PreferencePair> training, DirectPreferenceOptions options, Action<string> log)
    {
        int length = training.Max(static pair => pair.Length), response = training.Max(static pair => Math.Max(pair.Chosen.TargetCount, pair.Rejected.TargetCount));
        SupervisedExample longest = SupervisedExample.Of(0, new int[length + 1 - response], new int[response]);
        var pair = new PreferencePair(0, 0, longest, longest);
        using var search = new MicroBatchSearch(model.Network, model.Sets, TrainingMemory.Of(model, options.Run), log);
        return search.Find(Math.Min(options.BatchSize, training.Count), 2, length, count => PreferencePass.Backward(model.Network, [.. Enumerable.Repeat(pair, count)], count, options));
    }
}

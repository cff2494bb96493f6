namespace MLNet.Gpt;

/// <summary>The micro-batch of a supervised task whose options leave it to a search: examples as long as the longest that the run meets.</summary>
internal static class TaskMicroBatch
{
    /// <summary>Searches.</summary>
    /// <param name="model">What is trained; it is left as it was.</param>
    /// <param name="training">The examples.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <returns>A divisor of the batch size, or of the examples where there are fewer.</returns>
    /// <exception cref="TrainingOutOfMemoryException">Not even one example fits.</exception>
    public static int Find(TaskModel model, IReadOnlyList<TaskExample> training, SupervisedTaskOptions options, Action<string> log)
    {
        TaskExample longest = training.MaxBy(static e => e.Width)!;
        using var search = new MicroBatchSearch(model.Network, model.Sets, TrainingMemory.Of(model, options.Run), log);
        return search.Find(Math.Min(options.BatchSize, training.Count), longest.Sequences.Length, longest.Width, count =>
        {
            var batch = new TaskBatch([.. Enumerable.Repeat(longest, count)], model.Network.Config, model.Network.TorchDevice, options.AuxiliaryLossWeight > 0);
            TaskPass.Backward(model.Task, batch, null, 1.0 / count, options.AuxiliaryLossWeight / batch.RowCount, options.ClassifierDropout);
        });
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The micro-batch of a fine-tuning run whose options leave it to a search: rows as long as the longest that the run meets.</summary>
internal static class SupervisedMicroBatch
{
    /// <summary>Searches.</summary>
    /// <param name="model">What is trained; it is left as it was.</param>
    /// <param name="training">The examples.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <returns>A divisor of the batch size, or of the examples where there are fewer.</returns>
    /// <exception cref="TrainingOutOfMemoryException">Not even one row fits.</exception>
    public static int Find(FineTuningModel model, IReadOnlyList<SupervisedExample> training, SupervisedFineTuningOptions options, Action<string> log)
    {
        GptNetwork network = model.Network;
        SupervisedExample longest = training.MaxBy(static e => e.Length)!;
        int length = options.Packing ? network.Config.ContextLength : longest.Length;
        using var search = new MicroBatchSearch(network, model.Sets, TrainingMemory.Of(model, options.Run), log);
        return search.Find(Math.Min(options.BatchSize, training.Count), 1, length, rows =>
        {
            foreach (SupervisedBatch batch in SupervisedBatch.Of([.. Enumerable.Repeat(0, rows).SelectMany(_ => Row())], options.Packing ? length : null, rowsAtOnce: null))
            {
                (Tensor hidden, Tensor next) = batch.Run(network);                                         // (n, C), (n)
                LanguageModelPass.Backward(network, hidden, next, 1.0 / batch.TargetCount);
            }
        });

        // A packed row of two examples: the mask between them takes memory too.
        IEnumerable<SupervisedExample> Row() => options.Packing && length > 1 ? [Of(length / 2), Of(length - (length / 2))] : [Of(length)];

        static SupervisedExample Of(int places) => new(0, new int[places + 1], [false, .. Enumerable.Repeat(true, places)]);
    }
}

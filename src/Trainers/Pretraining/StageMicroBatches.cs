using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The micro-batches of a pretraining run whose options leave them to a search.</summary>
internal static class StageMicroBatches
{
    /// <summary>A size for each stage of the plan.</summary>
    /// <param name="network">The network to train; it is left as it was.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="memory">What its memory depends on.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <exception cref="TrainingOutOfMemoryException">Not even one row fits.</exception>
    public static IReadOnlyList<int> Find(GptNetwork network, LanguageModelOptions options, TrainingMemory memory, Action<string> log)
    {
        using var search = new MicroBatchSearch(network, [network.Parameters], memory, log);
        var known = new Dictionary<(int Batch, int Length), int>();
        return [.. TrainingPlan.StagesOf(options).Select(stage =>
        {
            MicroBatchSize wanted = stage.MicroBatchSize ?? options.MicroBatchSize;
            if (!wanted.IsAuto) return wanted.Rows ?? stage.BatchSize;
            if (known.TryGetValue((stage.BatchSize, stage.SequenceLength), out int rows)) return rows;
            return known[(stage.BatchSize, stage.SequenceLength)] = search.Find(stage.BatchSize, 1, stage.SequenceLength, size => Run(network, size, stage.SequenceLength));
        })];
    }

    private static void Run(GptNetwork network, int rows, int length)
    {
        Tensor ids = zeros(rows, length, ScalarType.Int64, network.TorchDevice);
        LanguageModelPass.Backward(network, network.Hidden(ids), ids.view(-1), 1.0 / ((double)rows * length));
    }
}

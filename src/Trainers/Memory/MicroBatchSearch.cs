using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Finds the largest micro-batch that fits the memory. A GPU says when there is no more, so it is tried; a CPU's system promises
/// memory that it may not have and ends the process that takes it, so there an estimate decides, which a run of one row corrects.
/// </summary>
internal static class MicroBatchSearch
{
    /// <summary>The share of the available memory that is used on a CPU.</summary>
    private const double CpuShare = 0.8;

    /// <summary>A size for each stage of the plan. Weights, gradients and random generators are left as they were.</summary>
    /// <param name="network">The network to train.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <exception cref="TrainingOutOfMemoryException">Not even one row fits.</exception>
    public static IReadOnlyList<int> Find(GptNetwork network, LanguageModelOptions options, Action<string> log)
    {
        using Tensor random = get_rng_state();
        bool training = network.Training;
        network.Training = true;
        try
        {
            using var state = OptimizerState(network, options.AverageDecay > 0);
            var known = new Dictionary<(int Batch, int Length), int>();
            return [.. TrainingPlan.StagesOf(options).Select(stage =>
            {
                MicroBatchSize wanted = stage.MicroBatchSize ?? options.MicroBatchSize;
                if (!wanted.IsAuto) return wanted.Rows ?? stage.BatchSize;
                if (known.TryGetValue((stage.BatchSize, stage.SequenceLength), out int rows)) return rows;
                rows = network.Device.IsCuda ? FindOnGpu(network, options, stage) : FindOnCpu(network, options, stage, log);
                log($"micro-batch: {rows} of {stage.BatchSize} rows of {stage.SequenceLength} tokens at once");
                return known[(stage.BatchSize, stage.SequenceLength)] = rows;
            })];
        }
        finally
        {
            network.Training = training;
            set_rng_state(random);   // a GPU's generator is seeded at each step
        }
    }

    /// <summary>The largest divisor that fits, where all below one that fits do; 0 where none does. Sizes are tried upwards, each at least twice the one before.</summary>
    /// <param name="batchSize">What is divided.</param>
    /// <param name="fits">Tries a size.</param>
    internal static int Largest(int batchSize, Func<int, bool> fits)
    {
        int[] divisors = [.. Enumerable.Range(1, batchSize).Where(d => batchSize % d == 0)];
        int good = -1, bad = divisors.Length;   // places in the list
        for (int next = 0; next < bad;)
        {
            if (fits(divisors[next])) good = next;
            else bad = next;
            if (bad < divisors.Length) break;
            int doubled = Array.FindIndex(divisors, next + 1, d => d >= 2 * divisors[next]);
            next = doubled < 0 ? divisors.Length : doubled;
        }

        // Between the last that fits and the first that does not.
        while (bad - good > 1)
        {
            int middle = (good + bad) / 2;
            if (fits(divisors[middle])) good = middle;
            else bad = middle;
        }

        return good < 0 ? 0 : divisors[good];
    }

    private static int FindOnGpu(GptNetwork network, LanguageModelOptions options, TrainingStage stage)
    {
        Exception? last = null;
        long? requested = null;
        int rows = Largest(stage.BatchSize, size =>
        {
            try
            {
                Try(network, size, stage.SequenceLength);
                return true;
            }
            catch (Exception e) when (OutOfMemory.Is(e, out requested))
            {
                last = e;
                return false;
            }
        });
        return rows > 0 ? rows : throw new TrainingOutOfMemoryException(
            network.Device, 1, stage.SequenceLength, Estimate(network, options, 1, stage.SequenceLength), requested, null, null, last);
    }

    private static int FindOnCpu(GptNetwork network, LanguageModelOptions options, TrainingStage stage, Action<string> log)
    {
        // The optimizer's buffers, and the average's, are still to come; the gradients' are touched here, so that the trial run does not count them.
        network.Parameters.ZeroGradient();
        long available = Math.Max(0, AvailableMemory.Bytes() - ((options.AverageDecay > 0 ? 3 : 2) * 4 * network.Config.ParameterCount));
        double correction = 1;
        MemoryEstimate one = Estimate(network, options, 1, stage.SequenceLength);
        if (one.ActivationBytes <= CpuShare / 2 * available && AvailableMemory.TryResetPeak())
        {
            long before = Environment.WorkingSet;
            Try(network, 1, stage.SequenceLength);
            correction = Math.Max(1, (AvailableMemory.PeakBytes() - before) / (double)one.ActivationBytes);
        }

        int rows = Largest(stage.BatchSize, size => correction * Estimate(network, options, size, stage.SequenceLength).ActivationBytes <= CpuShare * available);
        if (rows == 0) throw new TrainingOutOfMemoryException(network.Device, 1, stage.SequenceLength, one, null, available, null, null);
        log($"estimated {ByteSize.Text((long)(correction * Estimate(network, options, rows, stage.SequenceLength).ActivationBytes))} of activations, {ByteSize.Text(available)} available");
        return rows;
    }

    private static MemoryEstimate Estimate(GptNetwork network, LanguageModelOptions options, int rows, int length) =>
        MemoryEstimate.Of(network.Config, network.Precision, network.Device, rows, length, options.AverageDecay > 0, options.ActivationCheckpointing);

    /// <summary>Forward and backward, as an update does them, and the optimizer's largest temporary tensor.</summary>
    private static void Try(GptNetwork network, int rows, int length)
    {
        try
        {
            using var scope = NewDisposeScope();
            Tensor ids = zeros(rows, length, ScalarType.Int64, network.TorchDevice);
            Tensor loss = LanguageModelLoss.Backward(network, network.Hidden(ids), ids.view(-1), 1.0 / ((double)rows * length));
            network.Parameters.CollectGradient();
            using (no_grad()) _ = empty_like(network.Parameters.Master);
            _ = loss.item<float>();   // sync: everything has been computed
        }
        finally
        {
            network.Parameters.ZeroGradient();
        }
    }

    /// <summary>Memory that the optimizer will take, so that a trial run does without it.</summary>
    private static DisposeScope OptimizerState(GptNetwork network, bool averaged)
    {
        DisposeScope scope = NewDisposeScope();
        if (!network.Device.IsCuda) return scope;
        using var noGradient = no_grad();
        for (int i = 0; i < (averaged ? 3 : 2); i++) _ = zeros_like(network.Parameters.Master);
        return scope;
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Finds the largest micro-batch that fits the memory. A GPU says when there is no more, so it is tried; a CPU's system promises
/// memory that it may not have and ends the process that takes it, so there an estimate decides, which trial runs of a few rows correct.
/// </summary>
/// <remarks>Weights, gradients, the training mode and random generators are as they were when it is disposed.</remarks>
internal sealed class MicroBatchSearch : IDisposable
{
    /// <summary>The share of the available memory that is used on a CPU.</summary>
    private const double CpuShare = 0.8;

    /// <summary>Trial runs on a CPU differ by at least as many bytes, by the estimate: other memory of the process comes and goes by a few millions.</summary>
    private const long TrialBytes = 128L << 20;

    /// <summary>The least part of an estimate that a trial run is believed to bring it down to.</summary>
    private const double LeastCorrection = 0.25;

    private readonly GptNetwork _network;
    private readonly IReadOnlyList<FlatParameters> _trained;
    private readonly TrainingMemory _memory;
    private readonly Action<string> _log;
    private readonly Tensor _random;
    private readonly bool _training;
    private readonly List<Tensor> _state = [];

    /// <summary>Begins.</summary>
    /// <param name="network">The network to train.</param>
    /// <param name="trained">What is trained.</param>
    /// <param name="memory">What its memory depends on.</param>
    /// <param name="log">Is told what was chosen.</param>
    public MicroBatchSearch(GptNetwork network, IReadOnlyList<FlatParameters> trained, TrainingMemory memory, Action<string> log)
    {
        (_network, _trained, _memory, _log) = (network, trained, memory, log);
        using (Generator generator = Generator.Default) _random = generator.get_state().DetachFromDisposeScope();   // a GPU's generator is seeded at each step
        _training = network.Training;
        network.Training = true;
        if (!network.Device.IsCuda) return;

        // Memory that the optimizer will take, so that a trial run does without it.
        using var noGradient = no_grad();
        foreach (FlatParameters set in trained)
        {
            for (int i = 0; i < (memory.Averaged ? 3 : 2); i++) _state.Add(zeros_like(set.Master).DetachFromDisposeScope());
        }
    }

    /// <summary>For tests: the bytes that may be taken on a CPU.</summary>
    internal Func<long> Available { get; init; } = AvailableMemory.Bytes;

    /// <summary>Searches.</summary>
    /// <param name="batchSize">What an update has; the result divides it.</param>
    /// <param name="rowsOfOne">The rows that one of them has.</param>
    /// <param name="length">The most tokens of a row.</param>
    /// <param name="run">Forward and backward over so many, as an update does them. Gradients are cleared here.</param>
    /// <exception cref="TrainingOutOfMemoryException">Not even one fits.</exception>
    public int Find(int batchSize, int rowsOfOne, int length, Action<int> run)
    {
        int found = _network.Device.IsCuda ? FindOnGpu(batchSize, rowsOfOne, length, run) : FindOnCpu(batchSize, rowsOfOne, length, run);
        _log($"micro-batch: {found} of {batchSize} rows of {length} tokens at once");
        return found;
    }

    public void Dispose()
    {
        _network.Training = _training;
        using (Generator generator = Generator.Default) generator.set_state(_random);
        _random.Dispose();
        foreach (Tensor tensor in _state) tensor.Dispose();
    }

    /// <summary>The largest divisor that fits, where all below one that fits do; 0 where none does. Sizes are tried upwards, each at least twice the one before.</summary>
    /// <param name="batchSize">What is divided.</param>
    /// <param name="fits">Tries a size.</param>
    internal static int Largest(int batchSize, Func<int, bool> fits)
    {
        int[] small = [.. Enumerable.Range(1, (int)Math.Sqrt(batchSize)).Where(d => batchSize % d == 0)];
        int[] divisors = [.. small.Concat(small.Select(d => batchSize / d)).Distinct().Order()];
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

    /// <summary>An estimate, corrected in either direction by what two trial runs took.</summary>
    /// <param name="estimate">The bytes of a size.</param>
    /// <param name="small">The size of one run.</param>
    /// <param name="smallBytes">What it took.</param>
    /// <param name="large">The size of the other.</param>
    /// <param name="largeBytes">What it took.</param>
    /// <returns>The bytes of a size: the estimate's course, moved and stretched to go through both.</returns>
    internal static Func<int, double> Corrected(Func<int, long> estimate, int small, long smallBytes, int large, long largeBytes)
    {
        double factor = Math.Max(LeastCorrection, (largeBytes - smallBytes) / (double)(estimate(large) - estimate(small)));
        return size => Math.Max(0, largeBytes + (factor * (estimate(size) - estimate(large))));
    }

    private int FindOnGpu(int batchSize, int rowsOfOne, int length, Action<int> run)
    {
        Exception? last = null;
        int found = Largest(batchSize, size =>
        {
            try
            {
                Try(run, size);
                return true;
            }
            catch (Exception e) when (OutOfMemory.Is(e, out _))
            {
                last = e;
                return false;
            }
        });
        return found > 0 ? found : throw _memory.TooSmall(rowsOfOne, length, last);
    }

    private int FindOnCpu(int batchSize, int rowsOfOne, int length, Action<int> run)
    {
        // The optimizer's buffers, and the average's, are still to come; the gradients' are touched here, so that a trial run does not count them.
        foreach (FlatParameters set in _trained) set.ZeroGradient();
        CHeap.ReturnFree();
        long available = Math.Max(0, Available() - _memory.StateBytes);
        Func<int, double> needed = Measured(batchSize, EstimateOf, available, run);
        int found = Largest(batchSize, size => needed(size) <= CpuShare * available);
        if (found == 0) throw _memory.TooSmall(rowsOfOne, length, cause: null, available);
        _log($"estimated {ByteSize.Text((long)needed(found))} of activations, {ByteSize.Text(available)} available");
        return found;

        long EstimateOf(int size) => _memory.Estimate((int)Math.Min((long)size * rowsOfOne, int.MaxValue), length).ActivationBytes;
    }

    /// <summary>The bytes of a size, by trial runs where they are safe: where they take half of what may be taken by the estimate, at most.</summary>
    private Func<int, double> Measured(int batchSize, Func<int, long> estimate, long available, Action<int> run)
    {
        bool Safe(int size) => estimate(size) <= CpuShare / 2 * available;
        int small = 1;
        while (small < batchSize && estimate(small) < TrialBytes) small++;
        if (!Safe(small)) return size => estimate(size);
        Try(run, 1);   // libtorch's own buffers
        if (Growth(run, small) is not { } smallBytes) return size => estimate(size);
        int large = Math.Min(batchSize, 3 * small);
        if (estimate(large) - estimate(small) >= TrialBytes && Safe(large) && Growth(run, large) is { } largeBytes)
            return Corrected(estimate, small, smallBytes, large, largeBytes);

        // One run alone can't tell a row's share from what comes and goes besides.
        double atLeast = Math.Max(1, smallBytes / (double)estimate(small));
        return size => atLeast * estimate(size);
    }

    /// <summary>The most bytes that a trial run takes; null where the system does not tell.</summary>
    private long? Growth(Action<int> run, int size)
    {
        CHeap.ReturnFree();   // what the heap has at hand would hide a part of it
        if (!AvailableMemory.TryResetPeak()) return null;
        long before = Environment.WorkingSet;
        Try(run, size);
        return Math.Max(0, AvailableMemory.PeakBytes() - before);
    }

    /// <summary>Forward and backward, and the optimizer's largest temporary tensor.</summary>
    private void Try(Action<int> run, int size)
    {
        try
        {
            using var scope = NewDisposeScope();
            run(size);
            foreach (FlatParameters set in _trained) set.CollectGradient();
            using (no_grad()) _ = empty_like(_trained[0].Master);
            if (_network.Device.IsCuda) cuda.synchronize(_network.TorchDevice);   // sync: everything has been computed
        }
        finally
        {
            foreach (FlatParameters set in _trained) set.ZeroGradient();
        }
    }
}

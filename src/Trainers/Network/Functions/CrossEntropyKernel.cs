using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// log p(target) of rows of logits z and its gradient on a CPU with vectors of 512 or 256 bits, a row at a time: while it lies in the second cache, its largest logit is found,
/// its exponentials are summed up, and the gradient takes its place. libtorch's operations for it go over all rows one after the other.
/// </summary>
/// <remarks>Symbols: n rows, V vocabulary. Each row is computed in one order, whatever the number of threads. May be called from several threads.</remarks>
internal static unsafe class CrossEntropyKernel
{
    /// <summary>Logits that a thread takes at once, at least: their exponentials outweigh waking it.</summary>
    private const long WorthAThread = 1 << 15;

    /// <summary>Whether this machine has the vectors. Set by benchmarks and tests, to compare.</summary>
    public static bool IsAvailable { get; set; } = VectorMath.IsAvailable;

    /// <summary>Whether the kernel takes logits.</summary>
    /// <param name="logits">(n, V).</param>
    public static bool Takes(Tensor logits) => IsAvailable && logits.device_type == DeviceType.CPU && logits.dtype == ScalarType.Float32 && logits.is_contiguous() && logits.numel() > 0;

    /// <summary>log p(target) of each row.</summary>
    /// <param name="logits">(n, V), what <see cref="Takes"/> says yes to.</param>
    /// <param name="targets">(n) int64, each in [0, V).</param>
    /// <returns>(n) float32, in nats.</returns>
    public static Tensor LogProbabilities(Tensor logits, Tensor targets) => Compute(logits, targets, null, gradient: false);

    /// <summary>The same; and each row of logits becomes weight·(softmax(z) − onehot(target)), the gradient of −weight·log p(target).</summary>
    /// <param name="logits">(n, V), what <see cref="Takes"/> says yes to.</param>
    /// <param name="targets">(n) int64, each in [0, V).</param>
    /// <param name="weights">(n) float32; null for 1.</param>
    /// <returns>(n) float32, in nats, not weighted.</returns>
    public static Tensor Gradient(Tensor logits, Tensor targets, Tensor? weights) => Compute(logits, targets, weights, gradient: true);

    private static Tensor Compute(Tensor logits, Tensor targets, Tensor? weights, bool gradient)
    {
        using var scope = NewDisposeScope();
        (long rows, long vocabulary) = (logits.size(0), logits.size(1));
        Tensor result = empty(rows), tokens = targets.contiguous();
        Tensor? factors = weights?.contiguous();
        nint z = VectorMath.Address(logits), target = VectorMath.Address(tokens), weight = factors is null ? 0 : VectorMath.Address(factors), likelihood = VectorMath.Address(result);
        ComputeThreads.RunParts(rows, Math.Max(1, WorthAThread / vocabulary), (first, count) =>
        {
            for (long row = first; row < first + count; row++)
            {
                long token = ((long*)target)[row];
                if (token < 0 || token >= vocabulary) throw new ArgumentOutOfRangeException(nameof(targets), token, $"Row {row}'s target is {token}; the vocabulary has {vocabulary} tokens, from 0 on.");
                float factor = weight == 0 ? 1 : ((float*)weight)[row];
                float* logit = (float*)z + (row * vocabulary);
                ((float*)likelihood)[row] = VectorMath.IsWide ? Row<FloatVector16>(logit, vocabulary, token, factor, gradient) : Row<FloatVector8>(logit, vocabulary, token, factor, gradient);
            }
        });
        GC.KeepAlive(logits);
        return result.MoveToOuterDisposeScope();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Row<TVector>(float* z, long vocabulary, long target, float weight, bool gradient)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        long whole = vocabulary / TVector.Count * TVector.Count;
        TVector largest = TVector.Create(float.NegativeInfinity), sum = TVector.Create(0);
        for (long i = 0; i < whole; i += TVector.Count) largest = TVector.Max(largest, TVector.Load(z + i));
        float top = TVector.Largest(largest), chosen = z[target];
        for (long i = whole; i < vocabulary; i++) top = MathF.Max(top, z[i]);
        if (!float.IsFinite(top))
        {
            // The vectors' exponentials are finite even of what is no number.
            if (gradient) new Span<float>(z, checked((int)vocabulary)).Fill(float.NaN);
            return float.NaN;
        }

        TVector shift = TVector.Create(top);
        for (long i = 0; i < whole; i += TVector.Count)
        {
            TVector p = VectorMath.Exp(TVector.Load(z + i) - shift);
            if (gradient) TVector.Store(p, z + i);
            sum += p;
        }

        float total = TVector.Sum(sum);
        for (long i = whole; i < vocabulary; i++)
        {
            float p = MathF.Exp(z[i] - top);
            if (gradient) z[i] = p;
            total += p;
        }

        if (gradient)
        {
            float factor = weight / total;
            TVector factors = TVector.Create(factor);
            for (long i = 0; i < whole; i += TVector.Count) TVector.Store(TVector.Load(z + i) * factors, z + i);
            for (long i = whole; i < vocabulary; i++) z[i] *= factor;
            z[target] -= weight;
        }

        return chosen - top - MathF.Log(total);
    }
}

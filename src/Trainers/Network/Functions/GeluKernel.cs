using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// GELU in its tanh form (Hendrycks and Gimpel 2016, section 2) and its derivative on a CPU with vectors of 512 bits. With σ the logistic function,
/// 0.5·(1 + tanh(z)) = σ(2z): one exponential, where libtorch computes a tanh to the last bit, in the backward pass once more.
/// </summary>
/// <remarks>Relative errors stay below 1e-6, in float32, of σ and of the derivative's terms. May be called from several threads.</remarks>
internal static unsafe class GeluKernel
{
    /// <summary>2·√(2/π).</summary>
    private const float Linear = 1.5957691216057308f;
    private const float Cubic = 0.044715f * Linear;

    /// <summary>Elements of one step.</summary>
    private const long Step = IVectorFormat.Count;

    /// <summary>Fewer elements than this are left to libtorch, whose call costs less.</summary>
    private const long WorthCalling = 1 << 15;

    /// <summary>Elements from which another thread is worth waking.</summary>
    private const long WorthAThread = 1 << 17;

    /// <summary>Whether <see cref="Forward"/> and <see cref="Backward"/> take a tensor.</summary>
    /// <param name="x">Any shape.</param>
    public static bool Takes(Tensor x) => Vector512.IsHardwareAccelerated && x.device_type == DeviceType.CPU && x.dtype is ScalarType.Float32 or ScalarType.BFloat16
        && x.numel() >= WorthCalling && x.numel() % Step == 0 && x.is_contiguous();

    /// <summary>GELU(x).</summary>
    /// <param name="x">What <see cref="Takes"/> says yes to.</param>
    /// <returns>Of the same shape and type.</returns>
    public static Tensor Forward(Tensor x)
    {
        Tensor result = empty_like(x);
        nint source = VectorMath.Address(x), destination = VectorMath.Address(result);
        if (x.dtype == ScalarType.Float32) InParts(x.numel(), (start, count) => Forward<SingleFormat>(source, destination, start, count));
        else InParts(x.numel(), (start, count) => Forward<BFloat16Format>(source, destination, start, count));
        GC.KeepAlive(x);
        return result;
    }

    /// <summary>gradient·GELU'(x).</summary>
    /// <param name="x">As for <see cref="Forward"/>.</param>
    /// <param name="gradient">Of the same shape and type, contiguous.</param>
    /// <returns>Of the same shape and type.</returns>
    public static Tensor Backward(Tensor x, Tensor gradient)
    {
        Tensor result = empty_like(x);
        nint source = VectorMath.Address(x), upstream = VectorMath.Address(gradient), destination = VectorMath.Address(result);
        if (x.dtype == ScalarType.Float32) InParts(x.numel(), (start, count) => Backward<SingleFormat>(source, upstream, destination, start, count));
        else InParts(x.numel(), (start, count) => Backward<BFloat16Format>(source, upstream, destination, start, count));
        GC.KeepAlive(x);
        GC.KeepAlive(gradient);
        return result;
    }

    private static void InParts(long count, Action<long, long> part)
    {
        int threads = ComputeThreads.Count;
        if (threads == 1 || count < 2 * WorthAThread)
        {
            part(0, count);
            return;
        }

        long size = (count / Step + threads - 1) / threads * Step, next = -size;
        ComputeThreads.Run(() =>
        {
            for (long start; (start = Interlocked.Add(ref next, size)) < count;) part(start, Math.Min(size, count - start));
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward<TFormat>(nint source, nint destination, long start, long count)
        where TFormat : IVectorFormat
    {
        for (long i = start; i < start + count; i += Step)
        {
            (Vector512<float> a, Vector512<float> b) = TFormat.Load(source, i);
            TFormat.Store(destination, i, a * Sigma(a), b * Sigma(b));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward<TFormat>(nint source, nint upstream, nint destination, long start, long count)
        where TFormat : IVectorFormat
    {
        for (long i = start; i < start + count; i += Step)
        {
            (Vector512<float> a, Vector512<float> b) = TFormat.Load(source, i);
            (Vector512<float> da, Vector512<float> db) = TFormat.Load(upstream, i);
            TFormat.Store(destination, i, da * Derivative(a), db * Derivative(b));
        }
    }

    /// <summary>σ(2z), z = √(2/π)·(x + 0.044715·x³).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sigma(Vector512<float> x)
    {
        Vector512<float> inner = x * Vector512.FusedMultiplyAdd(x * x, Vector512.Create(Cubic), Vector512.Create(Linear));
        return Vector512<float>.One / (Vector512<float>.One + VectorMath.Exp(-inner));
    }

    /// <summary>σ + x·σ·(1 − σ)·(2z)'.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Derivative(Vector512<float> x)
    {
        Vector512<float> sigma = Sigma(x);
        Vector512<float> slope = Vector512.FusedMultiplyAdd(x * x, Vector512.Create(3 * Cubic), Vector512.Create(Linear));
        return Vector512.FusedMultiplyAdd(x * sigma * (Vector512<float>.One - sigma), slope, sigma);
    }
}

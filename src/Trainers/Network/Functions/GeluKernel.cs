using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// GELU in its tanh form (Hendrycks and Gimpel 2016, section 2) and its derivative on a CPU with vectors of 512 or 256 bits. With σ the logistic function,
/// 0.5·(1 + tanh(z)) = σ(2z): one exponential, where libtorch computes a tanh to the last bit, in the backward pass once more.
/// </summary>
/// <remarks>Relative errors stay below 1e-6, in float32, of σ and of the derivative's terms. May be called from several threads.</remarks>
internal static unsafe class GeluKernel
{
    /// <summary>2·√(2/π).</summary>
    private const float Linear = 1.5957691216057308f;
    private const float Cubic = 0.044715f * Linear;

    /// <summary>Elements of one step on the widest vectors: two of 16.</summary>
    private const long Step = 32;

    /// <summary>Fewer elements than this are left to libtorch, whose call costs less.</summary>
    private const long WorthCalling = 1 << 15;

    /// <summary>Elements from which another thread is worth waking.</summary>
    private const long WorthAThread = 1 << 17;

    /// <summary>Whether <see cref="Forward"/> and <see cref="Backward"/> take a tensor.</summary>
    /// <param name="x">Any shape.</param>
    public static bool Takes(Tensor x) => VectorMath.IsAvailable && x.device_type == DeviceType.CPU && x.dtype is ScalarType.Float32 or ScalarType.BFloat16
        && x.numel() >= WorthCalling && x.numel() % Step == 0 && x.is_contiguous();

    /// <summary>GELU(x).</summary>
    /// <param name="x">What <see cref="Takes"/> says yes to.</param>
    /// <returns>Of the same shape and type.</returns>
    public static Tensor Forward(Tensor x)
    {
        Tensor result = empty_like(x);
        nint source = VectorMath.Address(x), destination = VectorMath.Address(result);
        InParts(x.numel(), (x.dtype == ScalarType.BFloat16, VectorMath.IsWide) switch
        {
            (false, true) => (start, count) => Forward<SingleFormat, FloatVector16>(source, destination, start, count),
            (false, false) => (start, count) => Forward<SingleFormat, FloatVector8>(source, destination, start, count),
            (true, true) => (start, count) => Forward<BFloat16Format, FloatVector16>(source, destination, start, count),
            (true, false) => (start, count) => Forward<BFloat16Format, FloatVector8>(source, destination, start, count),
        });
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
        InParts(x.numel(), (x.dtype == ScalarType.BFloat16, VectorMath.IsWide) switch
        {
            (false, true) => (start, count) => Backward<SingleFormat, FloatVector16>(source, upstream, destination, start, count),
            (false, false) => (start, count) => Backward<SingleFormat, FloatVector8>(source, upstream, destination, start, count),
            (true, true) => (start, count) => Backward<BFloat16Format, FloatVector16>(source, upstream, destination, start, count),
            (true, false) => (start, count) => Backward<BFloat16Format, FloatVector8>(source, upstream, destination, start, count),
        });
        GC.KeepAlive(x);
        GC.KeepAlive(gradient);
        return result;
    }

    /// <summary>As many parts as there are threads, none where that would be small.</summary>
    private static void InParts(long count, Action<long, long> part) =>
        ComputeThreads.RunParts(count, count < 2 * WorthAThread ? count : ((count / Step) + ComputeThreads.Count - 1) / ComputeThreads.Count * Step, part);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward<TFormat, TVector>(nint source, nint destination, long start, long count)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        for (long i = start; i < start + count; i += 2 * TVector.Count)
        {
            (TVector a, TVector b) = TFormat.Load<TVector>(source, i);
            TFormat.Store(destination, i, a * Sigma(a), b * Sigma(b));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward<TFormat, TVector>(nint source, nint upstream, nint destination, long start, long count)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        for (long i = start; i < start + count; i += 2 * TVector.Count)
        {
            (TVector a, TVector b) = TFormat.Load<TVector>(source, i);
            (TVector da, TVector db) = TFormat.Load<TVector>(upstream, i);
            TFormat.Store(destination, i, da * Derivative(a), db * Derivative(b));
        }
    }

    /// <summary>σ(2z), z = √(2/π)·(x + 0.044715·x³).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Sigma<TVector>(TVector x)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector inner = x * TVector.FusedMultiplyAdd(x * x, TVector.Create(-Cubic), TVector.Create(-Linear));
        return TVector.Create(1) / (TVector.Create(1) + VectorMath.Exp(inner));
    }

    /// <summary>σ + x·σ·(1 − σ)·(2z)'.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Derivative<TVector>(TVector x)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector sigma = Sigma(x);
        TVector slope = TVector.FusedMultiplyAdd(x * x, TVector.Create(3 * Cubic), TVector.Create(Linear));
        return TVector.FusedMultiplyAdd(x * sigma * (TVector.Create(1) - sigma), slope, sigma);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    /// <summary>Elements of one step: two vectors of float32, one of bfloat16.</summary>
    private const long Step = 32;

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
        nint source = Address(x), destination = Address(result);
        if (x.dtype == ScalarType.Float32) InParts(x.numel(), (start, count) => Forward<Single512>(source, destination, start, count));
        else InParts(x.numel(), (start, count) => Forward<BFloat512>(source, destination, start, count));
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
        nint source = Address(x), upstream = Address(gradient), destination = Address(result);
        if (x.dtype == ScalarType.Float32) InParts(x.numel(), (start, count) => Backward<Single512>(source, upstream, destination, start, count));
        else InParts(x.numel(), (start, count) => Backward<BFloat512>(source, upstream, destination, start, count));
        GC.KeepAlive(x);
        GC.KeepAlive(gradient);
        return result;
    }

    private static void InParts(long count, Action<long, long> part)
    {
        long threads = Math.Clamp(count / WorthAThread, 1, get_num_threads());
        if (threads == 1)
        {
            part(0, count);
            return;
        }

        long size = (count / Step + threads - 1) / threads * Step;
        Parallel.For(0, threads, index =>
        {
            long start = index * size;
            if (start < count) part(start, Math.Min(size, count - start));
        });
    }

    private static nint Address(Tensor tensor)
    {
        using Tensor first = tensor.view(-1).narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    private static void Forward<TFormat>(nint source, nint destination, long start, long count)
        where TFormat : IFormat
    {
        for (long i = start; i < start + count; i += Step)
        {
            (Vector512<float> a, Vector512<float> b) = TFormat.Load(source, i);
            TFormat.Store(destination, i, a * Sigma(a), b * Sigma(b));
        }
    }

    private static void Backward<TFormat>(nint source, nint upstream, nint destination, long start, long count)
        where TFormat : IFormat
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
        return Vector512<float>.One / (Vector512<float>.One + Exp(-inner));
    }

    /// <summary>σ + x·σ·(1 − σ)·(2z)'.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Derivative(Vector512<float> x)
    {
        Vector512<float> sigma = Sigma(x);
        Vector512<float> slope = Vector512.FusedMultiplyAdd(x * x, Vector512.Create(3 * Cubic), Vector512.Create(Linear));
        return Vector512.FusedMultiplyAdd(x * sigma * (Vector512<float>.One - sigma), slope, sigma);
    }

    /// <summary>
    /// e^x for x of [-87, 88], outside of which it is taken for the nearer end: 2ⁿ·e^f with |f| ≤ ½·ln 2, e^f by its Taylor polynomial of degree 7
    /// (the term after it is below 6e-9). .NET's own goes by way of float64 and takes twice as long.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Exp(Vector512<float> x)
    {
        // ln 2 in two parts, the first with few enough bits that n times it is exact.
        const float LogE = 1.44269504f, Upper = 0.693359375f, Lower = -2.12194440e-4f;
        x = Vector512.MaxNative(Vector512.MinNative(x, Vector512.Create(88f)), Vector512.Create(-87f));
        Vector512<float> n = Vector512.Round(x * LogE);
        Vector512<float> f = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Lower), Vector512.FusedMultiplyAdd(n, Vector512.Create(-Upper), x));
        Vector512<float> sum = Vector512.Create(1f / 5_040);
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 720));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 120));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 24));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 6));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(0.5f));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512<float>.One);
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512<float>.One);
        return sum * ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();   // 2ⁿ by its exponent bits
    }

    /// <summary>How numbers lie in memory.</summary>
    private interface IFormat
    {
        /// <summary>The 32 numbers from element <paramref name="index"/>.</summary>
        static abstract (Vector512<float> First, Vector512<float> Second) Load(nint address, long index);

        /// <summary>Writes 32 numbers from element <paramref name="index"/>.</summary>
        static abstract void Store(nint address, long index, Vector512<float> first, Vector512<float> second);
    }

    private readonly struct Single512 : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(nint address, long index) =>
            (Vector512.Load((float*)address + index), Vector512.Load((float*)address + index + 16));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(nint address, long index, Vector512<float> first, Vector512<float> second)
        {
            first.Store((float*)address + index);
            second.Store((float*)address + index + 16);
        }
    }

    private readonly struct BFloat512 : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(nint address, long index)
        {
            (Vector512<uint> first, Vector512<uint> second) = Vector512.Widen(Vector512.Load((ushort*)address + index));
            return ((first << 16).AsSingle(), (second << 16).AsSingle());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(nint address, long index, Vector512<float> first, Vector512<float> second) =>
            Vector512.Narrow(Rounded(first), Rounded(second)).Store((ushort*)address + index);

        /// <summary>The upper 16 bits, rounded to nearest, ties to even; a number that is none keeps a bit of its own.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<uint> Rounded(Vector512<float> x)
        {
            Vector512<uint> bits = x.AsUInt32();
            Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One)) >>> 16;
            return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, Vector512.Create(0x7FC0u));
        }
    }
}

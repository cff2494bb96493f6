using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The softmax of scaled attention scores under the causal mask (Vaswani et al. 2017, equation 1), on a CPU, in place, row by row in the cache.</summary>
/// <remarks>
/// Scores are (G, n, E): G heads, n queries and the E keys up to the last query's own. Query i stands at position E - n + i and sees that and
/// the positions before it, at most <c>band</c> in all.
/// </remarks>
internal static class CausalSoftmaxKernel
{
    private const long BlockElements = 1 << 15;

    /// <summary>Replaces scores s by softmax(scale·s) over the visible keys, and by 0 at the others.</summary>
    /// <param name="scores">(G, n, E), contiguous, float32 or bfloat16.</param>
    /// <param name="scale">1/√D, above 0.</param>
    /// <param name="band">The most positions that a query sees; <see cref="int.MaxValue"/> for all.</param>
    public static void Forward(Tensor scores, float scale, int band)
    {
        if (scores.dtype == ScalarType.BFloat16) Forward<BFloat16Element>(scores, scale, band);
        else Forward<Float32Element>(scores, scale, band);
    }

    /// <summary>Replaces the gradient of the probabilities by that of the scores: scale·p·(dp - Σ p·dp).</summary>
    /// <param name="probabilities">(G, n, E), contiguous: what <see cref="Forward(Tensor, float, int)"/> left.</param>
    /// <param name="gradient">(G, n, E), contiguous, of the same type.</param>
    /// <param name="scale">1/√D.</param>
    public static void Backward(Tensor probabilities, Tensor gradient, float scale)
    {
        if (gradient.dtype == ScalarType.BFloat16) Backward<BFloat16Element>(probabilities, gradient, scale);
        else Backward<Float32Element>(probabilities, gradient, scale);
    }

    private static unsafe void Forward<T>(Tensor scores, float scale, int band)
        where T : struct, IElement
    {
        long queries = scores.size(1), keys = scores.size(2), rows = scores.size(0) * queries, perBlock = Math.Max(1, BlockElements / keys);
        byte* values = (byte*)CpuMemory.AddressOf(scores, keys);
        CpuParallel.For((int)((rows + perBlock - 1) / perBlock), block =>
        {
            float* scratch = (float*)NativeMemory.AlignedAlloc((nuint)(keys + 15) / 16 * 64, 64);
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++)
            {
                nint visibleEnd = (nint)(keys - queries + (row % queries) + 1);
                ForwardRow<T>(values + (row * keys * T.Size), scratch, (nint)keys, Math.Max(0, visibleEnd - band), visibleEnd, scale);
            }

            NativeMemory.AlignedFree(scratch);
        });
        GC.KeepAlive(scores);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void ForwardRow<T>(void* line, float* s, nint keys, nint visibleStart, nint visibleEnd, float scale)
        where T : struct, IElement
    {
        nint end = (visibleEnd + 15) / 16 * 16, whole = Math.Min(end, keys / 16 * 16), i = visibleStart / 16 * 16;
        for (; i < whole; i += 16) T.Load(line, i).Store(s + i);
        for (; i < visibleEnd; i++) s[i] = T.LoadOne(line, i);
        Normalize(s, end, visibleStart, visibleEnd, scale);
        for (i = 0; i < whole; i += 16) T.Store(line, i, Vector512.Load(s + i));
        for (; i <= keys - 16; i += 16) T.Store(line, i, Vector512<float>.Zero);
        for (; i < keys; i++) T.StoreOne(line, i, i < end ? s[i] : 0);
    }

    /// <summary>Replaces a row of scores s by softmax(scale·s) over the visible keys, and by 0 at the others.</summary>
    /// <param name="s">The row, in float32.</param>
    /// <param name="width">Its length, a multiple of 16.</param>
    /// <param name="visibleStart">The first visible key.</param>
    /// <param name="visibleEnd">One past the last.</param>
    /// <param name="scale">1/√D.</param>
    /// <returns>log Σ exp(scale·s).</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe float Normalize(float* s, nint width, nint visibleStart, nint visibleEnd, float scale)
    {
        // Whole vectors from start to end; what is not visible at their edges is -∞ first and 0 afterwards.
        nint start = visibleStart / 16 * 16, end = (visibleEnd + 15) / 16 * 16, i;
        for (i = start; i < visibleStart; i++) s[i] = float.NegativeInfinity;
        for (i = visibleEnd; i < end; i++) s[i] = float.NegativeInfinity;

        Vector512<float> highest = Vector512.Create(float.NegativeInfinity);
        for (i = start; i < end; i += 16) highest = Vector512.Max(highest, Vector512.Load(s + i));
        Vector512<float> shift = Vector512.Create(-MaxOf(highest) * scale), factor = Vector512.Create(scale), sum = Vector512<float>.Zero;
        for (i = start; i < end; i += 16)
        {
            Vector512<float> e = FastExp.Of(Vector512.FusedMultiplyAdd(Vector512.Load(s + i), factor, shift));
            e.Store(s + i);
            sum += e;
        }

        float total = Vector512.Sum(sum);
        Vector512<float> inverse = Vector512.Create(1 / total);
        for (i = start; i < end; i += 16) (Vector512.Load(s + i) * inverse).Store(s + i);
        new Span<float>(s, (int)visibleStart).Clear();
        new Span<float>(s + visibleEnd, (int)(width - visibleEnd)).Clear();
        return MathF.Log(total) - shift[0];
    }

    private static unsafe void Backward<T>(Tensor probabilities, Tensor gradient, float scale)
        where T : struct, IElement
    {
        long queries = gradient.size(1), keys = gradient.size(2), rows = gradient.size(0) * queries, perBlock = Math.Max(1, BlockElements / keys);
        byte* p = (byte*)CpuMemory.AddressOf(probabilities, keys), d = (byte*)CpuMemory.AddressOf(gradient, keys);
        CpuParallel.For((int)((rows + perBlock - 1) / perBlock), block =>
        {
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++)
                BackwardRow<T>(p + (row * keys * T.Size), d + (row * keys * T.Size), (nint)keys, (nint)(keys - queries + (row % queries) + 1), scale);
        });
        GC.KeepAlive(probabilities);
        GC.KeepAlive(gradient);
    }

    /// <summary>One row of <see cref="Backward(Tensor, Tensor, float)"/>: the keys from <paramref name="visibleEnd"/> on get 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void BackwardRow<T>(void* p, void* d, nint keys, nint visibleEnd, float scale)
        where T : struct, IElement
    {
        Vector512<float> sums = Vector512<float>.Zero;
        nint i = 0;
        for (; i <= visibleEnd - 16; i += 16) sums = Vector512.FusedMultiplyAdd(T.Load(p, i), T.Load(d, i), sums);
        float dot = Vector512.Sum(sums);
        for (; i < visibleEnd; i++) dot += T.LoadOne(p, i) * T.LoadOne(d, i);
        Vector512<float> dots = Vector512.Create(dot), factor = Vector512.Create(scale);
        for (i = 0; i <= visibleEnd - 16; i += 16) T.Store(d, i, T.Load(p, i) * ((T.Load(d, i) - dots) * factor));
        for (; i < visibleEnd; i++) T.StoreOne(d, i, T.LoadOne(p, i) * ((T.LoadOne(d, i) - dot) * scale));
        new Span<byte>((byte*)d + (i * T.Size), (int)((keys - i) * T.Size)).Clear();
    }

    private static float MaxOf(Vector512<float> values)
    {
        Vector256<float> eight = Vector256.Max(values.GetLower(), values.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// GPT's activation (Hendrycks and Gimpel 2016, section 2; the form of the GPT-2 code) of a biased map, on a CPU, in one pass over memory:
/// with z = h + b, gelu(z) = ½z(1 + tanh(√(2/π)(z + 0.044715z³))), which is z·σ(u), u = 2√(2/π)(z + 0.044715z³).
/// </summary>
internal static class GeluKernel
{
    private const float Linear = 1.5957691216057308f;      // 2√(2/π)
    private const float Cubic = (float)(1.5957691216057308 * 0.044715);

    /// <summary>Elements of a block of rows: enough to be worth a thread's while.</summary>
    private const long BlockElements = 1 << 16;

    /// <summary>gelu(h + b).</summary>
    /// <param name="h">(N, F), contiguous, float32 or bfloat16.</param>
    /// <param name="bias">(F) float32.</param>
    /// <returns>(N, F), of the type of <paramref name="h"/>.</returns>
    public static unsafe Tensor Forward(Tensor h, Tensor bias)
    {
        Tensor y = empty_like(h);
        if (h.dtype == ScalarType.BFloat16) Forward<BFloat16Element>(h, bias, y);
        else Forward<Float32Element>(h, bias, y);
        return y;
    }

    /// <summary>The gradient with respect to h; adds the bias's to <paramref name="biasGradient"/>.</summary>
    /// <param name="h">(N, F), as in the forward pass.</param>
    /// <param name="bias">(F) float32.</param>
    /// <param name="gradient">(N, F): the gradient of gelu(h + b), contiguous, of the type of <paramref name="h"/>.</param>
    /// <param name="biasGradient">(F) float32, contiguous; null where the bias is frozen.</param>
    /// <returns>(N, F), of the type of <paramref name="h"/>.</returns>
    public static Tensor Backward(Tensor h, Tensor bias, Tensor gradient, Tensor? biasGradient)
    {
        Tensor result = empty_like(h);
        if (h.dtype == ScalarType.BFloat16) Backward<BFloat16Element>(h, bias, gradient, biasGradient, result);
        else Backward<Float32Element>(h, bias, gradient, biasGradient, result);
        return result;
    }

    private static unsafe void Forward<T>(Tensor h, Tensor bias, Tensor y)
        where T : struct, IElement
    {
        long rows = h.size(0), columns = h.size(1), perBlock = Math.Max(1, BlockElements / columns);
        byte* source = (byte*)CpuMemory.AddressOf(h, columns), target = (byte*)CpuMemory.AddressOf(y, columns);
        float* b = (float*)CpuMemory.AddressOf(bias, columns);
        CpuParallel.For((int)((rows + perBlock - 1) / perBlock), block =>
        {
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++) ForwardRow<T>(source + (row * columns * T.Size), b, target + (row * columns * T.Size), (nint)columns);
        });
        GC.KeepAlive(h);
        GC.KeepAlive(bias);
        GC.KeepAlive(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void ForwardRow<T>(void* h, float* b, void* y, nint columns)
        where T : struct, IElement
    {
        nint i = 0;
        for (; i <= columns - 16; i += 16)
        {
            Vector512<float> z = T.Load(h, i) + Vector512.Load(b + i);
            T.Store(y, i, z * Sigma(z, z * z));
        }

        for (; i < columns; i++)
        {
            float z = T.LoadOne(h, i) + b[i];
            T.StoreOne(y, i, z / (1 + MathF.Exp(-z * (Linear + (Cubic * z * z)))));
        }
    }

    private static unsafe void Backward<T>(Tensor h, Tensor bias, Tensor gradient, Tensor? biasGradient, Tensor result)
        where T : struct, IElement
    {
        // Each block sums its own share of the bias's gradient; they are added in the blocks' order, whichever thread had them.
        long rows = h.size(0), columns = h.size(1), perBlock = PartialSums.RowsOfBlock(rows, columns, BlockElements);
        int blocks = (int)((rows + perBlock - 1) / perBlock);
        byte* source = (byte*)CpuMemory.AddressOf(h, columns), incoming = (byte*)CpuMemory.AddressOf(gradient, columns), target = (byte*)CpuMemory.AddressOf(result, columns);
        float* b = (float*)CpuMemory.AddressOf(bias, columns);
        using var shares = new PartialSums(blocks, (int)columns);
        float* sums = shares.Address;
        CpuParallel.For(blocks, block =>
        {
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++)
            {
                long offset = row * columns * T.Size;
                BackwardRow<T>(source + offset, b, incoming + offset, target + offset, sums + (block * columns), (nint)columns);
            }
        });
        if (biasGradient is not null) shares.AddTo(biasGradient);
        GC.KeepAlive(h);
        GC.KeepAlive(bias);
        GC.KeepAlive(gradient);
        GC.KeepAlive(result);
    }

    /// <summary>d/dz z·σ(u) = σ + z·u'·σ(1 - σ), u' = 2√(2/π)(1 + 3·0.044715z²).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void BackwardRow<T>(void* h, float* b, void* dy, void* dh, float* biasSum, nint columns)
        where T : struct, IElement
    {
        nint i = 0;
        for (; i <= columns - 16; i += 16)
        {
            Vector512<float> z = T.Load(h, i) + Vector512.Load(b + i), square = z * z;
            Vector512<float> sigma = Sigma(z, square);
            Vector512<float> slope = Vector512.FusedMultiplyAdd(square, Vector512.Create(3 * Cubic), Vector512.Create(Linear)) * z;
            Vector512<float> dz = T.Load(dy, i) * sigma * Vector512.FusedMultiplyAdd(slope, Vector512<float>.One - sigma, Vector512<float>.One);
            T.Store(dh, i, dz);
            (Vector512.Load(biasSum + i) + dz).Store(biasSum + i);
        }

        for (; i < columns; i++)
        {
            float z = T.LoadOne(h, i) + b[i];
            float sigma = 1 / (1 + MathF.Exp(-z * (Linear + (Cubic * z * z))));
            float dz = T.LoadOne(dy, i) * sigma * (1 + (z * (Linear + (3 * Cubic * z * z)) * (1 - sigma)));
            T.StoreOne(dh, i, dz);
            biasSum[i] += dz;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sigma(Vector512<float> z, Vector512<float> square)
    {
        Vector512<float> minusU = z * Vector512.FusedMultiplyAdd(square, Vector512.Create(-Cubic), Vector512.Create(-Linear));
        return Vector512<float>.One / (Vector512<float>.One + FastExp.Of(minusU));
    }
}

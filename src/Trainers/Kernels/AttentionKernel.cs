using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Causal self-attention in float32 on a CPU (Vaswani et al. 2017, equation 1), a head at a time: four queries meet their keys in the cache, and
/// no matrix of probabilities is kept; the backward pass forms them again from each row's normaliser (Dao et al. 2022, algorithms 1 and 4).
/// </summary>
/// <remarks>T time, D head size, C = H·D. Queries, keys and values stay where the projection has left them, side by side in (B·T, 3C).</remarks>
internal static unsafe class AttentionKernel
{
    private const int Rows = MatrixRows.Rows;

    /// <summary>Whether the kernel takes this head size.</summary>
    public static bool Takes(long headSize) => headSize % 16 == 0;

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="qkv">(B·T, 3C) float32, contiguous.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="normalizers">(B·H, T) float32, contiguous, receives each query's log Σ exp(scaled scores).</param>
    /// <returns>(B·T, C).</returns>
    public static Tensor Forward(Tensor qkv, AttentionShape shape, Tensor normalizers)
    {
        nint c = (nint)(shape.Heads * shape.HeadSize);
        Tensor y = empty([shape.Rows * shape.Length, c], ScalarType.Float32);
        float* source = (float*)CpuMemory.AddressOf(qkv, 3 * c), target = (float*)CpuMemory.AddressOf(y, c), logSums = (float*)CpuMemory.AddressOf(normalizers, shape.Length);
        CpuParallel.For((int)(shape.Rows * shape.Heads), head =>
        {
            nint start = (nint)(head / shape.Heads * shape.Length), column = (nint)(head % shape.Heads * shape.HeadSize);
            ForwardHead(source + (start * 3 * c) + column, target + (start * c) + column, logSums + (head * shape.Length), shape, c);
        });
        GC.KeepAlive(qkv);
        GC.KeepAlive(normalizers);
        return y;
    }

    /// <summary>The gradient with respect to queries, keys and values.</summary>
    /// <param name="qkv">(B·T, 3C), as in the forward pass.</param>
    /// <param name="normalizers">(B·H, T): what the forward pass left.</param>
    /// <param name="gradient">(B·T, C) float32, contiguous: the gradient of the result.</param>
    /// <param name="shape">The sizes.</param>
    /// <returns>(B·T, 3C).</returns>
    public static Tensor Backward(Tensor qkv, Tensor normalizers, Tensor gradient, AttentionShape shape)
    {
        nint c = (nint)(shape.Heads * shape.HeadSize);
        Tensor result = empty_like(qkv);
        float* source = (float*)CpuMemory.AddressOf(qkv, 3 * c), target = (float*)CpuMemory.AddressOf(result, 3 * c);
        float* incoming = (float*)CpuMemory.AddressOf(gradient, c), logSums = (float*)CpuMemory.AddressOf(normalizers, shape.Length);
        CpuParallel.For((int)(shape.Rows * shape.Heads), head =>
        {
            nint start = (nint)(head / shape.Heads * shape.Length), column = (nint)(head % shape.Heads * shape.HeadSize);
            BackwardHead(source + (start * 3 * c) + column, incoming + (start * c) + column, logSums + (head * shape.Length), target + (start * 3 * c) + column, shape, c);
        });
        GC.KeepAlive(qkv);
        GC.KeepAlive(normalizers);
        GC.KeepAlive(gradient);
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardHead(float* q, float* y, float* logSums, AttentionShape shape, nint c)
    {
        nint t = (nint)shape.Length, d = (nint)shape.HeadSize, stride = 3 * c, keys = Padded(t);
        float* memory = (float*)NativeMemory.AlignedAlloc((nuint)((d * keys) + (Rows * (keys + d + d))) * sizeof(float), 64);
        float* keysTransposed = memory, scores = keysTransposed + (d * keys), queries = scores + (Rows * keys), sums = queries + (Rows * d);
        Transpose(q + c, stride, t, d, keysTransposed, keys);
        for (nint i = 0; i < t; i += Rows)
        {
            nint rows = Math.Min(Rows, t - i), seen = i + rows, width = Math.Min(keys, Padded(seen));
            Gather(q + (i * stride), stride, rows, d, queries);
            MatrixRows.Multiply(queries, d, d, keysTransposed, keys, width, scores, keys);                    // (4, E)
            for (nint r = 0; r < Rows; r++)
            {
                float* line = scores + (r * keys);
                if (r < rows) logSums[i + r] = CausalSoftmaxKernel.Normalize(line, width, First(i + r, shape), i + r + 1, shape.Scale);
                else new Span<float>(line, (int)width).Clear();
            }

            MatrixRows.Multiply(scores, keys, seen, q + (2 * c), stride, d, sums, d);                          // (4, D)
            Scatter(sums, rows, d, y + (i * c), c);
        }

        NativeMemory.AlignedFree(memory);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardHead(float* q, float* dy, float* logSums, float* dq, AttentionShape shape, nint c)
    {
        nint t = (nint)shape.Length, d = (nint)shape.HeadSize, stride = 3 * c, keys = Padded(t);
        float* memory = (float*)NativeMemory.AlignedAlloc((nuint)((2 * d * keys) + (2 * t * d) + (2 * Rows * keys) + (3 * Rows * d)) * sizeof(float), 64);
        float* keysTransposed = memory, valuesTransposed = keysTransposed + (d * keys), dk = valuesTransposed + (d * keys), dv = dk + (t * d);
        float* p = dv + (t * d), ds = p + (Rows * keys), queries = ds + (Rows * keys), incoming = queries + (Rows * d), sums = incoming + (Rows * d);
        Transpose(q + c, stride, t, d, keysTransposed, keys);
        Transpose(q + (2 * c), stride, t, d, valuesTransposed, keys);
        new Span<float>(dk, (int)(2 * t * d)).Clear();
        for (nint i = 0; i < t; i += Rows)
        {
            nint rows = Math.Min(Rows, t - i), seen = i + rows, width = Math.Min(keys, Padded(seen));
            Gather(q + (i * stride), stride, rows, d, queries);
            Gather(dy + (i * c), c, rows, d, incoming);
            MatrixRows.Multiply(queries, d, d, keysTransposed, keys, width, p, keys);                         // (4, E): scores
            MatrixRows.Multiply(incoming, d, d, valuesTransposed, keys, width, ds, keys);                     // (4, E): ∂/∂p
            for (nint r = 0; r < Rows; r++)
            {
                float* pLine = p + (r * keys), dLine = ds + (r * keys);
                if (r < rows)
                {
                    Probabilities(pLine, width, First(i + r, shape), i + r + 1, shape.Scale, logSums[i + r]);
                    CausalSoftmaxKernel.BackwardRow<Float32Element>(pLine, dLine, width, i + r + 1, shape.Scale); // ∂/∂(q·k)
                }
                else
                {
                    new Span<float>(pLine, (int)width).Clear();
                    new Span<float>(dLine, (int)width).Clear();
                }
            }

            MatrixRows.Multiply(ds, keys, seen, q + c, stride, d, sums, d);                                    // (4, D): ∂/∂q
            Scatter(sums, rows, d, dq + (i * stride), stride);
            MatrixRows.AddTransposed(ds, keys, seen, queries, d, dk);                                          // (E, D)
            MatrixRows.AddTransposed(p, keys, seen, incoming, d, dv);
        }

        Scatter(dk, t, d, dq + c, stride);
        Scatter(dv, t, d, dq + (2 * c), stride);
        NativeMemory.AlignedFree(memory);
    }

    /// <summary>The first position that a query sees.</summary>
    private static nint First(nint position, AttentionShape shape) => (nint)Math.Max(0, position + 1L - shape.Band);

    /// <summary>Columns in whole vectors, the wide products' width where there are as many.</summary>
    private static nint Padded(nint count) => count <= 64 ? (count + 15) / 16 * 16 : (count + 63) / 64 * 64;

    /// <summary>Scores become exp(scale·s - normaliser), 0 at the keys that the query does not see.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Probabilities(float* s, nint width, nint visibleStart, nint visibleEnd, float scale, float logSum)
    {
        Vector512<float> factor = Vector512.Create(scale), shift = Vector512.Create(-logSum);
        nint end = (visibleEnd + 15) / 16 * 16, i = 0;
        for (; i < end; i += 16) FastExp.Of(Vector512.FusedMultiplyAdd(Vector512.Load(s + i), factor, shift)).Store(s + i);
        new Span<float>(s, (int)visibleStart).Clear();
        new Span<float>(s + visibleEnd, (int)(width - visibleEnd)).Clear();
    }

    /// <summary>(rows, columns) to (columns, rows); the gap up to a row's stride is filled with zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* from, nint fromStride, nint rows, nint columns, float* to, nint toStride)
    {
        // Sixteen rows at a time stay in the nearest cache while their columns are picked.
        for (nint i = 0; i < toStride; i += 16)
        {
            nint end = Math.Min(i + 16, rows);
            for (nint j = 0; j < columns; j++)
            {
                float* line = to + (j * toStride);
                nint k = i;
                for (; k < end; k++) line[k] = from[(k * fromStride) + j];
                for (; k < i + 16; k++) line[k] = 0;
            }
        }
    }

    /// <summary>Copies up to four rows side by side; those that are missing become zeros.</summary>
    private static void Gather(float* from, nint stride, nint rows, nint columns, float* to)
    {
        for (nint r = 0; r < Rows; r++)
        {
            var line = new Span<float>(to + (r * columns), (int)columns);
            if (r < rows) new ReadOnlySpan<float>(from + (r * stride), (int)columns).CopyTo(line);
            else line.Clear();
        }
    }

    private static void Scatter(float* from, nint rows, nint columns, float* to, nint stride)
    {
        for (nint r = 0; r < rows; r++) new ReadOnlySpan<float>(from + (r * columns), (int)columns).CopyTo(new Span<float>(to + (r * stride), (int)columns));
    }
}

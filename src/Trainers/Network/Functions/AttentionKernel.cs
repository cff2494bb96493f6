using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Multi-head causal self-attention (Vaswani et al. 2017, equation 1) and its gradient on a CPU with vectors of 512 or 256 bits, a head at a time, in float32
/// whatever the type of the tensors: scores, probabilities and their products of some queries stay in the processor's cache, and nothing of (T, T) is kept for
/// the backward pass, which computes the probabilities again from the logarithm of each row's sum (Dao et al. 2022, algorithms 1 and 4, with whole rows of
/// scores in place of running maxima).
/// </summary>
/// <remarks>
/// Symbols: B batch, T time, H heads, D head size, C = H·D channels. Heads are divided among threads and each is computed in one order, so that the result does
/// not depend on their number. May be called from several threads.
/// </remarks>
internal static unsafe class AttentionKernel
{
    /// <summary>Queries whose scores are computed at once, and keys that a product takes together: a block of scores is contiguous and lies in the first cache.</summary>
    private const int Block = 64;

    /// <summary>Queries whose sums are computed at once.</summary>
    private const int Rows = TileProduct.Rows;

    /// <summary>Longer rows are left to libtorch: what a head needs in the backward pass, 8·T·D numbers, no longer lies in the second cache.</summary>
    private const long LongestRow = 2_048;

    /// <summary>Whether this machine has the vectors. Set by benchmarks, to compare.</summary>
    public static bool IsAvailable { get; set; } = VectorMath.IsAvailable;

    /// <summary>Whether the kernel takes heads of this form: T a multiple of 64 up to 2,048, D 32 or a multiple of 64, all positions before a query seen.</summary>
    /// <param name="t">T.</param>
    /// <param name="d">D.</param>
    /// <param name="band">How many positions a query sees, itself included; null for all before it.</param>
    public static bool Takes(long t, long d, int? band) =>
        IsAvailable && (band is null || band >= t) && t % Block == 0 && t is > 0 and <= LongestRow && (d == 32 || (d % 64 == 0 && d > 0));

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="projected">(B·T, 3C) float32 or bfloat16, contiguous: queries, keys and values side by side.</param>
    /// <param name="b">B.</param>
    /// <param name="t">T.</param>
    /// <param name="h">H.</param>
    /// <returns>(B·T, C) of the same type, and (B, H, T) float32: the logarithm of each query's sum of exponentials.</returns>
    public static (Tensor Output, Tensor LogSums) Forward(Tensor projected, long b, long t, long h)
    {
        var shape = new Shape((int)t, (int)h, (int)(projected.size(1) / (3 * h)));
        Tensor output = empty(b * t, shape.Channels, projected.dtype), logSums = empty(b, h, t);
        nint source = VectorMath.Address(projected), destination = VectorMath.Address(output), sums = VectorMath.Address(logSums);
        EachHead(b * h, shape.ForwardFloats, (projected.dtype == ScalarType.BFloat16, VectorMath.IsWide) switch
        {
            (false, true) => (head, memory) => Forward<SingleFormat, FloatVector16>(shape, head, source, destination, (float*)sums, (float*)memory),
            (false, false) => (head, memory) => Forward<SingleFormat, FloatVector8>(shape, head, source, destination, (float*)sums, (float*)memory),
            (true, true) => (head, memory) => Forward<BFloat16Format, FloatVector16>(shape, head, source, destination, (float*)sums, (float*)memory),
            (true, false) => (head, memory) => Forward<BFloat16Format, FloatVector8>(shape, head, source, destination, (float*)sums, (float*)memory),
        });
        GC.KeepAlive(projected);
        return (output, logSums);
    }

    /// <summary>The gradient of <see cref="Forward(Tensor, long, long, long)"/>.</summary>
    /// <param name="projected">As it was given.</param>
    /// <param name="output">What it returned.</param>
    /// <param name="logSums">What it returned.</param>
    /// <param name="gradient">(B·T, C) of the same type, contiguous.</param>
    /// <param name="b">B.</param>
    /// <param name="t">T.</param>
    /// <param name="h">H.</param>
    /// <returns>(B·T, 3C) of the same type.</returns>
    public static Tensor Backward(Tensor projected, Tensor output, Tensor logSums, Tensor gradient, long b, long t, long h)
    {
        var shape = new Shape((int)t, (int)h, (int)(projected.size(1) / (3 * h)));
        Tensor result = empty_like(projected);
        nint source = VectorMath.Address(projected), outputs = VectorMath.Address(output), sums = VectorMath.Address(logSums);
        nint upstream = VectorMath.Address(gradient), destination = VectorMath.Address(result);
        EachHead(b * h, shape.BackwardFloats, (projected.dtype == ScalarType.BFloat16, VectorMath.IsWide) switch
        {
            (false, true) => (head, memory) => Backward<SingleFormat, FloatVector16>(shape, head, source, outputs, (float*)sums, upstream, destination, (float*)memory),
            (false, false) => (head, memory) => Backward<SingleFormat, FloatVector8>(shape, head, source, outputs, (float*)sums, upstream, destination, (float*)memory),
            (true, true) => (head, memory) => Backward<BFloat16Format, FloatVector16>(shape, head, source, outputs, (float*)sums, upstream, destination, (float*)memory),
            (true, false) => (head, memory) => Backward<BFloat16Format, FloatVector8>(shape, head, source, outputs, (float*)sums, upstream, destination, (float*)memory),
        });
        GC.KeepAlive(projected);
        GC.KeepAlive(output);
        GC.KeepAlive(logSums);
        GC.KeepAlive(gradient);
        return result;
    }

    /// <summary>Calls a body for each head of each row, with memory of its own, on as many threads as libtorch takes.</summary>
    private static void EachHead(long heads, long floats, Action<int, nint> body)
    {
        int next = -1;
        if (heads == 1) Work();
        else ComputeThreads.Run(Work);

        void Work()
        {
            if (Volatile.Read(ref next) >= heads - 1) return;
            void* memory = NativeMemory.AlignedAlloc((nuint)(floats * sizeof(float)), 64);
            try
            {
                for (int head; (head = Interlocked.Increment(ref next)) < heads;) body(head, (nint)memory);
            }
            finally
            {
                NativeMemory.AlignedFree(memory);
            }
        }
    }

    private static void Forward<TFormat, TVector>(Shape shape, int head, nint projected, nint output, float* logSums, float* memory)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        (int t, int d, int c) = (shape.T, shape.D, shape.Channels);
        long rows = shape.FirstOf(head, 3);
        float* q = memory, v = q + (t * d), keys = v + (t * d), scores = keys + (t * d), sums = scores + (Block * t);
        float* tops = stackalloc float[Block], totals = stackalloc float[Block];
        Pack<TFormat, TVector>(projected, rows, 3 * c, q, t, d, shape.Scale);
        Pack<TFormat, TVector>(projected, rows + (2 * c), 3 * c, v, t, d, 1);
        PackTransposed<TFormat, TVector>(projected, rows + c, 3 * c, keys, t, d);
        long y = shape.FirstOf(head, 1);
        for (int start = 0; start < t; start += Block)
        {
            for (int j = 0; j < start; j += Block)
                TileProduct.Multiply(q + (start * d), d, 1, keys + (j * d), Block, scores + (j * Block), Block, Block, Block, d, add: false);
            MultiplyVisible(q + (start * d), keys + (start * d), scores + (start * Block), d);
            for (int i = 0; i < Block; i++) (tops[i], totals[i]) = Exponentials<TVector>(scores + (i * Block), start + i + 1);
            for (int i = 0; i < Block; i += TVector.Count)
                TVector.Store(TVector.Load(tops + i) + TVector.Log(TVector.Load(totals + i)), logSums + ((long)head * t) + start + i);
            for (int i = 0; i < Block; i += Rows)
            {
                for (int j = 0; j <= start; j += Block)
                    TileProduct.Multiply(scores + (j * Block) + (i * Block), Block, 1, v + (j * d), d, sums, d, Rows, d, j < start ? Block : i + Rows, add: j > 0);
                for (int n = 0; n < Rows; n++) Unpack<TFormat, TVector>(sums + (n * d), output, y + ((long)(start + i + n) * c), c, 1, d, 1 / totals[i + n]);
            }
        }
    }

    private static void Backward<TFormat, TVector>(Shape shape, int head, nint projected, nint output, float* logSums, nint gradient, nint result, float* memory)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        (int t, int d, int c) = (shape.T, shape.D, shape.Channels);
        int size = t * d;
        long rows = shape.FirstOf(head, 3), y = shape.FirstOf(head, 1);
        float* q = memory, k = q + size, keys = k + size, values = keys + size, dy = values + size, dq = dy + size, dk = dq + size, dv = dk + size;
        float* p = dv + size, ds = p + (Block * Block);
        Pack<TFormat, TVector>(projected, rows, 3 * c, q, t, d, shape.Scale);
        Pack<TFormat, TVector>(projected, rows + c, 3 * c, k, t, d, 1);
        PackTransposed<TFormat, TVector>(projected, rows + c, 3 * c, keys, t, d);
        PackTransposed<TFormat, TVector>(projected, rows + (2 * c), 3 * c, values, t, d);
        Pack<TFormat, TVector>(gradient, y, c, dy, t, d, 1);
        float* inner = stackalloc float[Block];
        for (int start = 0; start < t; start += Block)
        {
            for (int i = 0; i < Block; i++) inner[i] = Dot<TFormat, TVector>(dy + ((start + i) * d), output, y + ((long)(start + i) * c), d);   // Σ p·∂p, equation 4 of the paper
            for (int j = 0; j < start; j += Block)
            {
                TileProduct.Multiply(q + (start * d), d, 1, keys + (j * d), Block, p, Block, Block, Block, d, add: false);        // the scores
                TileProduct.Multiply(dy + (start * d), d, 1, values + (j * d), Block, ds, Block, Block, Block, d, add: false);    // ∂p
                for (int i = 0; i < Block; i++) Gradients<TVector>(p + (i * Block), ds + (i * Block), Block, logSums[((long)head * t) + start + i], inner[i]);
                TileProduct.Multiply(ds, Block, 1, k + (j * d), d, dq + (start * d), d, Block, d, Block, add: j > 0);             // ∂s·k
                TileProduct.Multiply(p, 1, Block, dy + (start * d), d, dv + (j * d), d, Block, d, Block, add: true);              // pᵀ·∂y
                TileProduct.Multiply(ds, 1, Block, q + (start * d), d, dk + (j * d), d, Block, d, Block, add: true);              // ∂sᵀ·q
            }

            // The same for the block in which a query sees the keys up to its own: of the sums' terms those that are not 0.
            MultiplyVisible(q + (start * d), keys + (start * d), p, d);
            MultiplyVisible(dy + (start * d), values + (start * d), ds, d);
            for (int i = 0; i < Block; i++) Gradients<TVector>(p + (i * Block), ds + (i * Block), i + 1, logSums[((long)head * t) + start + i], inner[i]);
            for (int i = 0; i < Block; i += Rows)
            {
                TileProduct.Multiply(ds + (i * Block), Block, 1, k + (start * d), d, dq + ((start + i) * d), d, Rows, d, i + Rows, add: start > 0);
                TileProduct.Multiply(p + i + (i * Block), 1, Block, dy + ((start + i) * d), d, dv + ((start + i) * d), d, Rows, d, Block - i, add: false);
                TileProduct.Multiply(ds + i + (i * Block), 1, Block, q + ((start + i) * d), d, dk + ((start + i) * d), d, Rows, d, Block - i, add: false);
            }
        }

        Unpack<TFormat, TVector>(dq, result, rows, 3 * c, t, d, shape.Scale);
        Unpack<TFormat, TVector>(dk, result, rows + c, 3 * c, t, d, 1);
        Unpack<TFormat, TVector>(dv, result, rows + (2 * c), 3 * c, t, d, 1);
    }

    /// <summary>(64, 64) products of queries and keys of which a query sees those up to its own: the right upper quarter is left as it is.</summary>
    private static void MultiplyVisible(float* rows, float* columns, float* result, int d)
    {
        const int Half = Block / 2;
        TileProduct.Multiply(rows, d, 1, columns, Block, result, Block, Half, Half, d, add: false);
        TileProduct.Multiply(rows + (Half * d), d, 1, columns, Block, result + (Half * Block), Block, Half, Block, d, add: false);
    }

    /// <summary>A row of scores, 64 in each block, becomes their exponentials over that of the largest one, 0 behind what the query sees.</summary>
    /// <returns>The largest score, and the sum of the exponentials.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Top, float Total) Exponentials<TVector>(float* scores, int visible)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector largest = TVector.Create(float.NegativeInfinity), sum = TVector.Create(0);
        for (int first = 0; first < visible; first += Block)
        {
            float* row = scores + (first * Block);
            for (int j = 0; j < Block; j += TVector.Count) largest = TVector.Max(largest, Visible(TVector.Load(row + j), first + j, visible, float.NegativeInfinity));
        }

        float top = TVector.Largest(largest);
        if (!float.IsFinite(top)) return (float.NaN, float.NaN); // the vectors' exponentials are finite even of what is no number
        TVector shift = TVector.Create(top);
        for (int first = 0; first < visible; first += Block)
        {
            float* row = scores + (first * Block);
            for (int j = 0; j < Block; j += TVector.Count)
            {
                TVector p = Visible(VectorMath.Exp(TVector.Load(row + j) - shift), first + j, visible, 0);
                TVector.Store(p, row + j);
                sum += p;
            }
        }

        return (top, TVector.Sum(sum));
    }

    /// <summary>64 scores become probabilities, their gradients become the scores' gradients.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gradients<TVector>(float* scores, float* gradients, int visible, float logSum, float inner)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector shift = TVector.Create(logSum), mean = TVector.Create(inner);
        for (int j = 0; j < Block; j += TVector.Count)
        {
            TVector p = Visible(VectorMath.Exp(TVector.Load(scores + j) - shift), j, visible, 0);
            TVector.Store(p, scores + j);
            TVector.Store(p * (Visible(TVector.Load(gradients + j), j, visible, inner) - mean), gradients + j);
        }
    }

    /// <summary>Numbers from place j on, those from place <paramref name="visible"/> on replaced.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Visible<TVector>(TVector x, int j, int visible, float otherwise)
        where TVector : unmanaged, IFloatVector<TVector> => j + TVector.Count <= visible ? x : TVector.First(x, visible - j, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot<TFormat, TVector>(float* a, nint b, long first, int count)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector sum = TVector.Create(0);
        for (int i = 0; i < count; i += 2 * TVector.Count)
        {
            (TVector low, TVector high) = TFormat.Load<TVector>(b, first + i);
            sum = TVector.FusedMultiplyAdd(TVector.Load(a + i), low, sum);
            sum = TVector.FusedMultiplyAdd(TVector.Load(a + i + TVector.Count), high, sum);
        }

        return TVector.Sum(sum);
    }

    /// <summary>T rows of D numbers, side by side and scaled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack<TFormat, TVector>(nint source, long first, int stride, float* destination, int t, int d, float scale)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector factor = TVector.Create(scale);
        for (int i = 0; i < t; i++)
        {
            for (int j = 0; j < d; j += 2 * TVector.Count)
            {
                (TVector low, TVector high) = TFormat.Load<TVector>(source, first + ((long)i * stride) + j);
                TVector.Store(low * factor, destination + (i * d) + j);
                TVector.Store(high * factor, destination + (i * d) + j + TVector.Count);
            }
        }
    }

    /// <summary>Puts T packed rows back, scaled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack<TFormat, TVector>(float* source, nint destination, long first, int stride, int t, int d, float scale)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector factor = TVector.Create(scale);
        for (int i = 0; i < t; i++)
        {
            for (int j = 0; j < d; j += 2 * TVector.Count)
            {
                float* from = source + (i * d) + j;
                TFormat.Store(destination, first + ((long)i * stride) + j, TVector.Load(from) * factor, TVector.Load(from + TVector.Count) * factor);
            }
        }
    }

    /// <summary>T rows of D numbers, 64 rows at a time as D rows of 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTransposed<TFormat, TVector>(nint source, long first, int stride, float* destination, int t, int d)
        where TFormat : IVectorFormat
        where TVector : unmanaged, IFloatVector<TVector>
    {
        // Squares of as many rows as a vector has numbers, two at a time.
        int n = TVector.Count;
        TVector* square = stackalloc TVector[2 * n];
        for (int i = 0; i < t; i += n)
        {
            float* target = destination + (i / Block * Block * d) + (i % Block);
            for (int j = 0; j < d; j += 2 * n, target += 2 * n * Block)
            {
                for (int row = 0; row < n; row++) (square[row], square[row + n]) = TFormat.Load<TVector>(source, first + ((long)(i + row) * stride) + j);
                Transpose((float*)square, target, n);
                Transpose((float*)(square + n), target + (n * Block), n);
            }
        }
    }

    private static void Transpose(float* square, float* destination, int n)
    {
        if (n == 16) Transpose((Vector512<float>*)square, destination);
        else Transpose((Vector256<float>*)square, destination);
    }

    /// <summary>The columns of a square of 16 rows become rows that lie 64 apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(Vector512<float>* rows, float* destination)
    {
        // Four rows at a time, their 4 × 4 squares transposed; the k-th 128 bits of group g then hold, of column 4k + n (n the place in the group), rows 4g to 4g + 3.
        for (int g = 0; g < 16; g += 4)
        {
            Vector512<double> low = Avx512F.UnpackLow(rows[g], rows[g + 1]).AsDouble(), high = Avx512F.UnpackHigh(rows[g], rows[g + 1]).AsDouble();
            Vector512<double> low2 = Avx512F.UnpackLow(rows[g + 2], rows[g + 3]).AsDouble(), high2 = Avx512F.UnpackHigh(rows[g + 2], rows[g + 3]).AsDouble();
            rows[g] = Avx512F.UnpackLow(low, low2).AsSingle();
            rows[g + 1] = Avx512F.UnpackHigh(low, low2).AsSingle();
            rows[g + 2] = Avx512F.UnpackLow(high, high2).AsSingle();
            rows[g + 3] = Avx512F.UnpackHigh(high, high2).AsSingle();
        }

        for (int n = 0; n < 4; n++)
        {
            Vector512<float> a = Avx512F.Shuffle4x128(rows[n], rows[n + 4], 0x88), b = Avx512F.Shuffle4x128(rows[n + 8], rows[n + 12], 0x88);   // columns n and n + 8
            Vector512<float> c = Avx512F.Shuffle4x128(rows[n], rows[n + 4], 0xDD), e = Avx512F.Shuffle4x128(rows[n + 8], rows[n + 12], 0xDD);   // n + 4 and n + 12
            Avx512F.Shuffle4x128(a, b, 0x88).Store(destination + (n * Block));
            Avx512F.Shuffle4x128(c, e, 0x88).Store(destination + ((n + 4) * Block));
            Avx512F.Shuffle4x128(a, b, 0xDD).Store(destination + ((n + 8) * Block));
            Avx512F.Shuffle4x128(c, e, 0xDD).Store(destination + ((n + 12) * Block));
        }
    }

    /// <summary>The same for a square of 8 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(Vector256<float>* rows, float* destination)
    {
        for (int g = 0; g < 8; g += 4)
        {
            Vector256<double> low = Avx.UnpackLow(rows[g], rows[g + 1]).AsDouble(), high = Avx.UnpackHigh(rows[g], rows[g + 1]).AsDouble();
            Vector256<double> low2 = Avx.UnpackLow(rows[g + 2], rows[g + 3]).AsDouble(), high2 = Avx.UnpackHigh(rows[g + 2], rows[g + 3]).AsDouble();
            rows[g] = Avx.UnpackLow(low, low2).AsSingle();
            rows[g + 1] = Avx.UnpackHigh(low, low2).AsSingle();
            rows[g + 2] = Avx.UnpackLow(high, high2).AsSingle();
            rows[g + 3] = Avx.UnpackHigh(high, high2).AsSingle();
        }

        for (int n = 0; n < 4; n++)
        {
            Avx.Permute2x128(rows[n], rows[n + 4], 0x20).Store(destination + (n * Block));
            Avx.Permute2x128(rows[n], rows[n + 4], 0x31).Store(destination + ((n + 4) * Block));
        }
    }

    /// <param name="T">Positions.</param>
    /// <param name="H">Heads.</param>
    /// <param name="D">Numbers of a head.</param>
    private readonly record struct Shape(int T, int H, int D)
    {
        /// <summary>C.</summary>
        public int Channels => H * D;

        /// <summary>1/√D.</summary>
        public float Scale => 1 / MathF.Sqrt(D);

        /// <summary>Numbers that a head's forward pass needs beside its input and output.</summary>
        public long ForwardFloats => (3L * T * D) + (Block * T) + (Rows * D);

        /// <summary>The same for its backward pass.</summary>
        public long BackwardFloats => (8L * T * D) + (2 * Block * Block);

        /// <summary>Where the numbers of a head begin in rows of so many times C.</summary>
        /// <param name="head">Row of the batch · H + head.</param>
        /// <param name="parts">How many times.</param>
        public long FirstOf(int head, int parts) => ((long)(head / H) * T * parts * Channels) + ((head % H) * D);
    }
}

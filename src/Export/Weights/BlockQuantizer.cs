using System.Numerics;
using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>
/// Quantizes matrices in blocks. A block's numbers x become codes q of 0 to M with a scale s and a zero point z, so that s·(q − z) is near x: the squared error
/// Σ w·(x − s·(q − z))² is least, w the weight of each number's input channel.
/// </summary>
internal static class BlockQuantizer
{
    private const int SearchSteps = 9;                   // candidates to either side, as llama.cpp's make_qx_quants has them
    private const float SearchStep = 0.1f;

    /// <summary>Checks that a matrix can be quantized.</summary>
    /// <exception cref="ArgumentException">A number is not finite.</exception>
    public static void RequireFinite(string name, ReadOnlySpan<float> numbers)
    {
        int wrong = numbers.IndexOfAnyExceptInRange(float.MinValue, float.MaxValue);
        if (wrong >= 0)
            throw new ArgumentException(FormattableString.Invariant($"'{name}' holds {numbers[wrong]} at {wrong}, which can't be quantized; export the model as {WeightFormat.Float32}, or look why it isn't finite."));
    }

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="rows">(N, K), finite: each row's blocks are quantized by themselves.</param>
    /// <param name="rowCount">N.</param>
    /// <param name="importance">(K): the weight of each channel in the error, 0 or more; empty for equal ones.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="size">How many numbers share a scale.</param>
    /// <param name="options">Valid options, of which the block size is not asked.</param>
    public static QuantizedMatrix Quantize(ReadOnlyMemory<float> rows, int rowCount, ReadOnlyMemory<float> importance, int bits, int size, QuantizationOptions options)
    {
        int k = rows.Length / rowCount, blocks = (k + size - 1) / size, blockBytes = size * bits / 8, zeroBytes = ((blocks * bits) + 7) / 8;
        var codes = new byte[(long)rowCount * blocks * blockBytes];
        var scales = new float[(long)rowCount * blocks];
        byte[]? zeroPoints = options.Symmetric ? null : new byte[(long)rowCount * zeroBytes];
        Parallel.For(0, rowCount, row =>
        {
            Span<float> x = stackalloc float[size], w = stackalloc float[size];
            Span<byte> q = stackalloc byte[size];
            for (int block = 0; block < blocks; block++)
            {
                // 1. The block, filled up with zeros that weigh nothing.
                int first = block * size, count = Math.Min(size, k - first);
                x.Clear();
                w.Clear();
                rows.Span.Slice((row * k) + first, count).CopyTo(x);
                if (importance.IsEmpty) w[..count].Fill(1);
                else importance.Span.Slice(first, count).CopyTo(w);
                int exponent = OutlyingExponent(x);
                if (exponent != 0) Scale(x, -exponent);

                // 2. Its scale, zero point and codes.
                (float scale, int zero) = options.Symmetric ? Symmetric(x, w, bits, options.Method) : WithZeroPoint(x, w, bits, options.Method);
                Encode(x, scale, zero, (1 << bits) - 1, q);
                scales[((long)row * blocks) + block] = MathF.ScaleB(scale, exponent);

                // 3. Packed.
                Span<byte> place = codes.AsSpan((int)(((long)row * blocks) + block) * blockBytes, blockBytes);
                if (bits == 8) q.CopyTo(place);
                else for (int i = 0; i < blockBytes; i++) place[i] = (byte)(q[2 * i] | (q[(2 * i) + 1] << 4));
                if (zeroPoints is null) continue;
                if (bits == 8) zeroPoints[(row * zeroBytes) + block] = (byte)zero;
                else zeroPoints[(row * zeroBytes) + (block / 2)] |= (byte)(zero << (4 * (block % 2)));
            }
        });
        return new(codes, scales, zeroPoints);
    }

    /// <summary>(K, N) → (N, K).</summary>
    public static float[] Transpose(ReadOnlyMemory<float> matrix, int k, int n)
    {
        const int Tile = 16;
        var result = new float[(long)n * k];
        Parallel.For(0, (n + Tile - 1) / Tile, tile =>
        {
            ReadOnlySpan<float> source = matrix.Span;
            int first = tile * Tile, end = Math.Min(first + Tile, n);
            for (int row = 0; row < k; row++)
            {
                for (int column = first; column < end; column++) result[((long)column * k) + row] = source[(row * n) + column];
            }
        });
        return result;
    }

    /// <summary>
    /// The exponent of a block's largest number where sums of products with it could leave float32's range, else 0. Numbers over this power of two have the same codes.
    /// </summary>
    private static int OutlyingExponent(ReadOnlySpan<float> x)
    {
        float largest = MathF.Abs(TensorPrimitives.MaxMagnitude(x));
        return largest is 0 or (> 1e-24f and < 1e24f) ? 0 : MathF.ILogB(largest);
    }

    private static void Scale(Span<float> x, int exponent)
    {
        foreach (ref float value in x) value = MathF.ScaleB(value, exponent);
    }

    // The number of largest magnitude gets code 0, whatever its sign: there is one code more on that side.
    private static (float Scale, int Zero) Symmetric(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int bits, QuantizationMethod method)
    {
        int middle = 1 << (bits - 1), top = (1 << bits) - 1;
        float largest = 0;
        foreach (float value in x)
        {
            if (MathF.Abs(value) > MathF.Abs(largest)) largest = value;
        }

        if (largest == 0) return (0, middle);
        if (method == QuantizationMethod.RoundToNearest) return (-largest / middle, middle);
        float best = -largest / middle;
        double most = -1;
        for (int step = -SearchSteps; step <= SearchSteps; step++)
            Try(x, w, -largest / (middle + (SearchStep * step)), middle, top, ref best, ref most);
        return (best, middle);
    }

    private static (float Scale, int Zero) WithZeroPoint(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int bits, QuantizationMethod method)
    {
        int top = (1 << bits) - 1, zero = top / 2;
        float low = 0, high = 0; // 0 is among the numbers that a zero point can stand for
        foreach (float value in x)
        {
            low = MathF.Min(low, value);
            high = MathF.Max(high, value);
        }

        if (low == high) return (0, zero);
        float best = (high - low) / top;
        zero = (int)MathF.Round(-low / best);
        if (method == QuantizationMethod.RoundToNearest) return (best, zero);
        double most = -1;
        for (int step = -SearchSteps / 3; step <= 2 * SearchSteps; step++)
        {
            // A scale for more codes than there are cuts off some at one end or at both.
            float scale = (high - low) / (top + (SearchStep * step));
            int least = (int)MathF.Floor(-low / scale) - 1;
            for (int candidate = Math.Max(0, least); candidate <= Math.Min(top, least + 2); candidate++)
            {
                if (Try(x, w, scale, candidate, top, ref best, ref most)) zero = candidate;
            }
        }

        return (best, zero);
    }

    /// <summary>
    /// Codes by one scale, and the scale that fits these codes best: s = Σ w·x·d / Σ w·d², d = q − z. The error is then Σ w·x² − (Σ w·x·d)² / Σ w·d², so that
    /// the best of all candidates is the one with the largest gain, the second term.
    /// </summary>
    private static bool Try(ReadOnlySpan<float> x, ReadOnlySpan<float> w, float scale, int zero, int top, ref float best, ref double most)
    {
        var inverse = new Vector<float>(1 / scale);
        Vector<float> low = new(-zero), high = new(top - zero), products = Vector<float>.Zero, squares = Vector<float>.Zero;
        for (int i = 0; i < x.Length; i += Vector<float>.Count)
        {
            Vector<float> values = new(x[i..]), weights = new(w[i..]);
            Vector<float> d = Vector.Min(Vector.Max(Vector.Round(values * inverse), low), high);
            products += weights * values * d;
            squares += weights * d * d;
        }

        double product = Vector.Sum(products), square = Vector.Sum(squares), gain = square > 0 ? product * product / square : 0;
        if (!(gain > most) || square <= 0) return false;
        most = gain;
        best = (float)(product / square);
        return true;
    }

    private static void Encode(ReadOnlySpan<float> x, float scale, int zero, int top, Span<byte> codes)
    {
        float inverse = scale == 0 ? 0 : 1 / scale;
        for (int i = 0; i < x.Length; i++) codes[i] = (byte)Math.Clamp((int)MathF.Round(x[i] * inverse) + zero, 0, top);
    }
}

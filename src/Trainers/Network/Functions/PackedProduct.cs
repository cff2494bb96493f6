using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>
/// The product of large float32 matrices by vectors of 256 bits, after Goto and van de Geijn (2008, "Anatomy of High-Performance Matrix Multiplication", section 4): parts of both
/// matrices are copied to where the innermost loop reads them one after the other, of b as much as stays in the last cache, of a as much as stays in the second, and a tile of
/// six rows by sixteen columns of the result is summed up in twelve of the processor's sixteen registers.
/// </summary>
/// <remarks>Each element's products are summed in one order, whatever the number of threads. May be called from several threads.</remarks>
internal static unsafe class PackedProduct
{
    private const int TileRows = 6;
    private const int TileColumns = 16;

    /// <summary>Products of a sum that are taken at once: with them, sixteen columns of b fill the first cache.</summary>
    private const int Depth = 512;

    /// <summary>Rows of a that are packed at once, at most: in the second cache.</summary>
    private const int Rows = 8 * TileRows;

    /// <summary>Columns of b that are packed at once, at most: 6 MB with <see cref="Depth"/>.</summary>
    private const int Columns = 3_072;

    /// <summary>Tiles' columns of b that a thread packs at once: a row's numbers then lie side by side.</summary>
    private const int PanelsAtOnce = 4;

    /// <summary>Whether this machine has the vectors.</summary>
    public static bool IsAvailable => Avx2.IsSupported && Fma.IsSupported;

    /// <summary>A matrix in memory.</summary>
    /// <param name="Address">Its first element.</param>
    /// <param name="Row">From one row to the next, in elements.</param>
    /// <param name="Column">From one column to the next, in elements.</param>
    public readonly record struct Matrix(nint Address, nint Row, nint Column)
    {
        /// <summary>Where an element lies.</summary>
        public float* At(long row, long column) => (float*)Address + (row * Row) + (column * Column);
    }

    /// <summary>c = scale·a·b + from + bias.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m).</param>
    /// <param name="c">(n, m), the columns beside each other; overlaps neither a nor b.</param>
    /// <param name="n">Rows of the result.</param>
    /// <param name="m">Columns of the result.</param>
    /// <param name="k">Products of a sum, at least 1.</param>
    /// <param name="scale">What the product is multiplied by.</param>
    /// <param name="from">(n, m), the columns beside each other; may be c itself. Null for nothing.</param>
    /// <param name="bias">(m), the columns beside each other; 0 for nothing.</param>
    public static void Multiply(Matrix a, Matrix b, Matrix c, long n, long m, long k, float scale, Matrix? from, nint bias)
    {
        int rows = RowsAtOnce(n), depth = Part(k, Depth, 1), columns = Part(m, Columns, TileColumns);
        var packed = (float*)NativeMemory.AlignedAlloc((nuint)((long)depth * columns * sizeof(float)), 64);
        try
        {
            for (long column = 0; column < m; column += columns)
            {
                int width = (int)Math.Min(columns, m - column), panels = (width + TileColumns - 1) / TileColumns;
                for (long start = 0; start < k; start += depth)
                {
                    int length = (int)Math.Min(depth, k - start);
                    Matrix right = new((nint)b.At(start, column), b.Row, b.Column);
                    Each(panels, PanelsAtOnce, 0, (first, count, _) => PackColumns(right, first, count, width, length, packed));

                    // What the first products are added to; the others are added to them.
                    Matrix? sum = start > 0 ? c : from;
                    float* addend = start > 0 || bias == 0 ? null : (float*)bias + column;
                    (long top, long left) = (start, column);
                    Each(n, rows, (long)rows * length, (first, count, memory) =>
                    {
                        PackRows(a, first, count, top, length, memory);
                        for (int panel = 0; panel < panels; panel++)
                        {
                            int x = panel * TileColumns;
                            for (int y = 0; y < count; y += TileRows)
                            {
                                Tile(memory + ((long)y * length), packed + ((long)x * length), length, Math.Min(TileRows, count - y), Math.Min(TileColumns, width - x),
                                    c.At(first + y, left + x), c.Row, scale, sum is { } from ? from.At(first + y, left + x) : null, sum?.Row ?? 0, addend == null ? null : addend + x);
                            }
                        }
                    });
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(packed);
        }
    }

    /// <summary>Rows that a thread takes at once: so few that the threads end at about the same time.</summary>
    private static int RowsAtOnce(long n) => (int)Math.Clamp((n / (4L * ComputeThreads.Count)) / TileRows * TileRows, 2 * TileRows, Rows);

    /// <summary>The largest part of a whole that is divided into parts of one size, none above a limit.</summary>
    private static int Part(long whole, int limit, int multiple)
    {
        long parts = (whole + limit - 1) / limit, size = (whole + parts - 1) / parts;
        return (int)((size + multiple - 1) / multiple * multiple);
    }

    /// <summary>Calls a body for each part of a range, with memory of the thread's own, on as many threads as libtorch takes.</summary>
    private static void Each(long count, int size, long floats, PartBody body)
    {
        long next = -size;
        if (count <= size) Work();
        else ComputeThreads.Run(Work);

        void Work()
        {
            if (Volatile.Read(ref next) + size >= count) return;
            float* memory = floats == 0 ? null : (float*)NativeMemory.AlignedAlloc((nuint)(floats * sizeof(float)), 64);
            try
            {
                for (long first; (first = Interlocked.Add(ref next, size)) < count;) body(first, (int)Math.Min(size, count - first), memory);
            }
            finally
            {
                NativeMemory.AlignedFree(memory);
            }
        }
    }

    private delegate void PartBody(long first, int count, float* memory);

    /// <summary>Copies columns of b, sixteen by sixteen: of each row those sixteen, and zeros where there are no more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackColumns(Matrix b, long firstPanel, int panels, int width, int length, float* packed)
    {
        float* to = packed + (firstPanel * TileColumns * length);
        int column = (int)firstPanel * TileColumns, whole = Math.Min(panels, (width - column) / TileColumns), panelSize = TileColumns * length;
        if (b.Column == 1)
        {
            for (int row = 0; row < length; row++)
            {
                float* source = b.At(row, column), target = to + (row * TileColumns);
                for (int panel = 0; panel < whole; panel++, source += TileColumns, target += panelSize)
                {
                    Vector256.Load(source).Store(target);
                    Vector256.Load(source + 8).Store(target + 8);
                }
            }
        }
        else
        {
            for (int panel = 0; panel < whole; panel++)
            {
                float* target = to + (panel * panelSize);
                int x = column + (panel * TileColumns), row = 0;
                for (; b.Row == 1 && row <= length - 8; row += 8)
                {
                    Transpose8(b.At(row, x), b.Column, target + (row * TileColumns), TileColumns);
                    Transpose8(b.At(row, x + 8), b.Column, target + (row * TileColumns) + 8, TileColumns);
                }

                Copy(b, x, TileColumns, row, target);
            }
        }

        if (whole < panels) Copy(b, column + (whole * TileColumns), width - column - (whole * TileColumns), 0, to + (whole * panelSize));

        void Copy(Matrix b, int x, int count, int firstRow, float* target)
        {
            for (int row = firstRow; row < length; row++)
                for (int i = 0; i < TileColumns; i++) target[(row * TileColumns) + i] = i < count ? *b.At(row, x + i) : 0;
        }
    }

    /// <summary>Copies rows of a, six by six: of each column those six, and zeros where there are no more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackRows(Matrix a, long first, int count, long start, int length, float* to)
    {
        int whole = count / TileRows, panelSize = TileRows * length;
        if (a.Row == 1)
        {
            for (int column = 0; column < length; column++)
            {
                float* source = a.At(first, start + column), target = to + (column * TileRows);
                for (int panel = 0; panel < whole; panel++, source += TileRows, target += panelSize)
                {
                    Vector128.Load(source).Store(target);
                    Vector64.Load(source + 4).Store(target + 4);
                }
            }
        }
        else
        {
            for (int panel = 0; panel < whole; panel++)
            {
                float* target = to + (panel * panelSize);
                long y = first + (panel * TileRows);
                int column = 0;
                for (; a.Column == 1 && column <= length - 8; column += 8) Transpose6(a.At(y, start + column), a.Row, target + (column * TileRows));
                Copy(y, TileRows, column, target);
            }
        }

        if (whole * TileRows < count) Copy(first + (whole * TileRows), count - (whole * TileRows), 0, to + (whole * panelSize));

        void Copy(long y, int rows, int firstColumn, float* target)
        {
            for (int column = firstColumn; column < length; column++)
                for (int i = 0; i < TileRows; i++) target[(column * TileRows) + i] = i < rows ? *a.At(y + i, start + column) : 0;
        }
    }

    /// <summary>Eight rows of eight numbers become eight columns.</summary>
    private static void Transpose8(float* source, nint row, float* target, int step)
    {
        Vector256<float> r0 = Vector256.Load(source), r1 = Vector256.Load(source + row), r2 = Vector256.Load(source + (2 * row)), r3 = Vector256.Load(source + (3 * row));
        Vector256<float> r4 = Vector256.Load(source + (4 * row)), r5 = Vector256.Load(source + (5 * row)), r6 = Vector256.Load(source + (6 * row)), r7 = Vector256.Load(source + (7 * row));
        Transpose(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        r0.Store(target);
        r1.Store(target + step);
        r2.Store(target + (2 * step));
        r3.Store(target + (3 * step));
        r4.Store(target + (4 * step));
        r5.Store(target + (5 * step));
        r6.Store(target + (6 * step));
        r7.Store(target + (7 * step));
    }

    /// <summary>Six rows of eight numbers become eight columns of six, one behind the other.</summary>
    private static void Transpose6(float* source, nint row, float* target)
    {
        Vector256<float> r0 = Vector256.Load(source), r1 = Vector256.Load(source + row), r2 = Vector256.Load(source + (2 * row)), r3 = Vector256.Load(source + (3 * row));
        Vector256<float> r4 = Vector256.Load(source + (4 * row)), r5 = Vector256.Load(source + (5 * row)), r6 = Vector256<float>.Zero, r7 = Vector256<float>.Zero;
        Transpose(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);

        // Each writes two numbers too many, over which the next one writes; not so the last.
        r0.Store(target);
        r1.Store(target + TileRows);
        r2.Store(target + (2 * TileRows));
        r3.Store(target + (3 * TileRows));
        r4.Store(target + (4 * TileRows));
        r5.Store(target + (5 * TileRows));
        r6.Store(target + (6 * TileRows));
        r7.GetLower().Store(target + (7 * TileRows));
        r7.GetUpper().GetLower().Store(target + (7 * TileRows) + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(ref Vector256<float> r0, ref Vector256<float> r1, ref Vector256<float> r2, ref Vector256<float> r3, ref Vector256<float> r4, ref Vector256<float> r5, ref Vector256<float> r6, ref Vector256<float> r7)
    {
        // Pairs, then fours within each half, then the halves.
        (r0, r1, r2, r3) = (Avx.UnpackLow(r0, r1), Avx.UnpackHigh(r0, r1), Avx.UnpackLow(r2, r3), Avx.UnpackHigh(r2, r3));
        (r4, r5, r6, r7) = (Avx.UnpackLow(r4, r5), Avx.UnpackHigh(r4, r5), Avx.UnpackLow(r6, r7), Avx.UnpackHigh(r6, r7));
        (r0, r1, r2, r3) = (Avx.Shuffle(r0, r2, 0x44), Avx.Shuffle(r0, r2, 0xEE), Avx.Shuffle(r1, r3, 0x44), Avx.Shuffle(r1, r3, 0xEE));
        (r4, r5, r6, r7) = (Avx.Shuffle(r4, r6, 0x44), Avx.Shuffle(r4, r6, 0xEE), Avx.Shuffle(r5, r7, 0x44), Avx.Shuffle(r5, r7, 0xEE));
        (r0, r4) = (Avx.Permute2x128(r0, r4, 0x20), Avx.Permute2x128(r0, r4, 0x31));
        (r1, r5) = (Avx.Permute2x128(r1, r5, 0x20), Avx.Permute2x128(r1, r5, 0x31));
        (r2, r6) = (Avx.Permute2x128(r2, r6, 0x20), Avx.Permute2x128(r2, r6, 0x31));
        (r3, r7) = (Avx.Permute2x128(r3, r7, 0x20), Avx.Permute2x128(r3, r7, 0x31));
    }

    /// <summary>A tile of the result, or of it what there is at its right and lower ends.</summary>
    private static void Tile(float* a, float* b, int length, int rows, int columns, float* c, nint row, float scale, float* from, nint fromRow, float* bias)
    {
        if (rows == TileRows && columns == TileColumns)
        {
            WholeTile(a, b, length, c, row, scale, from, fromRow, bias);
            return;
        }

        float* tile = stackalloc float[TileRows * TileColumns];
        WholeTile(a, b, length, tile, TileColumns, scale, null, 0, null);
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x++) c[(y * row) + x] = tile[(y * TileColumns) + x] + (from == null ? 0 : from[(y * fromRow) + x]) + (bias == null ? 0 : bias[x]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WholeTile(float* a, float* b, int length, float* c, nint row, float scale, float* from, nint fromRow, float* bias)
    {
        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector256<float>.Zero;
        for (; length > 0; length--, a += TileRows, b += TileColumns)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8), x = Vector256.Create(a[0]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a[1]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a[2]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(a[3]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            x = Vector256.Create(a[4]);
            c40 = Vector256.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
            x = Vector256.Create(a[5]);
            c50 = Vector256.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
        }

        Store(c00, c01, c, scale, from, bias);
        Store(c10, c11, c + row, scale, from == null ? null : from + fromRow, bias);
        Store(c20, c21, c + (2 * row), scale, from == null ? null : from + (2 * fromRow), bias);
        Store(c30, c31, c + (3 * row), scale, from == null ? null : from + (3 * fromRow), bias);
        Store(c40, c41, c + (4 * row), scale, from == null ? null : from + (4 * fromRow), bias);
        Store(c50, c51, c + (5 * row), scale, from == null ? null : from + (5 * fromRow), bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> x, Vector256<float> y, float* c, float scale, float* from, float* bias)
    {
        x *= scale;
        y *= scale;
        if (from != null)
        {
            x += Vector256.Load(from);
            y += Vector256.Load(from + 8);
        }

        if (bias != null)
        {
            x += Vector256.Load(bias);
            y += Vector256.Load(bias + 8);
        }

        x.Store(c);
        y.Store(c + 8);
    }
}

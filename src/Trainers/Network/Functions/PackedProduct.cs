using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>
/// The product of large float32 matrices by vectors of 512 bits, after Goto and van de Geijn (2008, "Anatomy of High-Performance Matrix Multiplication", section 4): parts of both
/// matrices are copied to where the innermost loop reads them one after the other, of b as much as stays in the last cache, of a as much as stays in the second, and a tile of
/// twelve rows by thirty-two columns of the result is summed up in twenty-four of the processor's thirty-two registers.
/// </summary>
/// <remarks>Each element's products are summed in one order, whatever the number of threads. May be called from several threads.</remarks>
internal static unsafe class PackedProduct
{
    private const int TileRows = 12;
    private const int TileColumns = 32;

    /// <summary>Products of a sum that are taken at once, at most: thirty-two columns of b and <see cref="Rows"/> of a then lie in the second cache, and the result is seldom read again.</summary>
    private const int Depth = 1_024;

    /// <summary>Rows of a that are packed at once, at most.</summary>
    private const int Rows = 4 * TileRows;

    /// <summary>Columns of b that are packed at once, at most: 12 MB with <see cref="Depth"/>.</summary>
    private const int Columns = 3_072;

    /// <summary>Tiles' columns of b that a thread packs at once: a row's numbers then lie side by side.</summary>
    private const int PanelsAtOnce = 4;

    /// <summary>Parts for each thread, at least, so that all end at about the same time.</summary>
    private const int PartsOfThread = 4;

    /// <summary>Whether this machine has the vectors.</summary>
    public static bool IsAvailable => VectorMath.HasWide;

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
        int depth = Part(k, Depth, 1), columns = Part(m, Columns, TileColumns), rows = RowsAtOnce(n);
        var packed = (float*)NativeMemory.AlignedAlloc((nuint)((long)depth * columns * sizeof(float)), 64);
        try
        {
            for (long column = 0; column < m; column += columns)
            {
                int width = (int)Math.Min(columns, m - column), panels = (width + TileColumns - 1) / TileColumns, panelsAtOnce = PanelsOfPart(n, rows, panels), parts = (panels + panelsAtOnce - 1) / panelsAtOnce;
                for (long start = 0; start < k; start += depth)
                {
                    int length = (int)Math.Min(depth, k - start);
                    Matrix right = new((nint)b.At(start, column), b.Row, b.Column);
                    ComputeThreads.RunParts(panels, PanelsAtOnce, (first, count) => PackColumns(right, (int)first, (int)count, width, length, packed));

                    // What the first products are added to; the others are added to them.
                    Matrix? sum = start > 0 ? c : from;
                    float* addend = start > 0 || bias == 0 ? null : (float*)bias + column;
                    (long left, long top) = (column, start);
                    Each((n + rows - 1) / rows * parts, (long)rows * length, (part, memory) =>
                    {
                        long first = part / parts * rows;
                        int count = (int)Math.Min(rows, n - first), firstPanel = (int)(part % parts) * panelsAtOnce;
                        PackRows(a, first, count, top, length, memory);
                        for (int panel = firstPanel; panel < Math.Min(panels, firstPanel + panelsAtOnce); panel++)
                        {
                            int x = panel * TileColumns;
                            for (int y = 0; y < count; y += TileRows)
                            {
                                Tile(memory + ((long)y * length), packed + ((long)x * length), length, Math.Min(TileRows, count - y), Math.Min(TileColumns, width - x),
                                    c.At(first + y, left + x), c.Row, scale, sum is { } s ? s.At(first + y, left + x) : null, sum?.Row ?? 0, addend == null ? null : addend + x);
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

    /// <summary>Rows of a part.</summary>
    private static int RowsAtOnce(long n) => (int)Math.Clamp(n / (PartsOfThread * (long)ComputeThreads.Count) / TileRows * TileRows, 2 * TileRows, Rows);

    /// <summary>Tiles' columns of a part: all of them, unless the rows alone make too few parts. Each part packs its rows.</summary>
    private static int PanelsOfPart(long n, int rows, int panels)
    {
        long parts = (n + rows - 1) / rows, wanted = Math.Max(1, PartsOfThread * (long)ComputeThreads.Count / parts);
        return (int)Math.Max(Math.Min(panels, PanelsAtOnce), (panels + wanted - 1) / wanted);
    }

    /// <summary>The largest part of a whole that is divided into parts of one size, none above a limit.</summary>
    private static int Part(long whole, int limit, int multiple)
    {
        long parts = (whole + limit - 1) / limit, size = (whole + parts - 1) / parts;
        return (int)((size + multiple - 1) / multiple * multiple);
    }

    /// <summary>Calls a body for each of some parts, with memory of the thread's own, on as many threads as libtorch takes.</summary>
    private static void Each(long parts, long floats, PartBody body)
    {
        long next = -1;
        if (parts == 1 || ComputeThreads.Count == 1) Work();
        else ComputeThreads.Run(Work);

        void Work()
        {
            float* memory = (float*)NativeMemory.AlignedAlloc((nuint)(floats * sizeof(float)), 64);
            try
            {
                for (long part; (part = Interlocked.Increment(ref next)) < parts;) body(part, memory);
            }
            finally
            {
                NativeMemory.AlignedFree(memory);
            }
        }
    }

    private delegate void PartBody(long part, float* memory);

    /// <summary>Copies columns of b, thirty-two by thirty-two: of each row those thirty-two, and zeros where there are no more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackColumns(Matrix b, int firstPanel, int panels, int width, int length, float* packed)
    {
        float* to = packed + ((long)firstPanel * TileColumns * length);
        int column = firstPanel * TileColumns, whole = Math.Min(panels, (width - column) / TileColumns), panelSize = TileColumns * length;
        if (b.Column == 1)
        {
            for (int row = 0; row < length; row++)
            {
                float* source = b.At(row, column), target = to + (row * TileColumns);
                for (int panel = 0; panel < whole; panel++, source += TileColumns, target += panelSize)
                {
                    Vector512.Load(source).Store(target);
                    Vector512.Load(source + 16).Store(target + 16);
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
                    for (int i = 0; i < TileColumns; i += 8) Transpose8(b.At(row, x + i), b.Column, target + (row * TileColumns) + i, TileColumns);
                Copy(x, TileColumns, row, target);
            }
        }

        if (whole < panels) Copy(column + (whole * TileColumns), width - column - (whole * TileColumns), 0, to + (whole * panelSize));

        void Copy(int x, int count, int firstRow, float* target)
        {
            for (int row = firstRow; row < length; row++)
                for (int i = 0; i < TileColumns; i++) target[(row * TileColumns) + i] = i < count ? *b.At(row, x + i) : 0;
        }
    }

    /// <summary>Copies rows of a, twelve by twelve: of each column those twelve, and zeros where there are no more.</summary>
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
                    Vector256.Load(source).Store(target);
                    Vector128.Load(source + 8).Store(target + 8);
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
                for (; a.Column == 1 && column <= length - 8; column += 8)
                {
                    Transpose8(a.At(y, start + column), a.Row, target + (column * TileRows), TileRows);
                    Transpose4(a.At(y + 8, start + column), a.Row, target + (column * TileRows) + 8, TileRows);
                    Transpose4(a.At(y + 8, start + column + 4), a.Row, target + ((column + 4) * TileRows) + 8, TileRows);
                }

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

    /// <summary>Four rows of four numbers become four columns.</summary>
    private static void Transpose4(float* source, nint row, float* target, int step)
    {
        Vector128<float> r0 = Vector128.Load(source), r1 = Vector128.Load(source + row), r2 = Vector128.Load(source + (2 * row)), r3 = Vector128.Load(source + (3 * row));
        (r0, r1, r2, r3) = (Sse.UnpackLow(r0, r1), Sse.UnpackHigh(r0, r1), Sse.UnpackLow(r2, r3), Sse.UnpackHigh(r2, r3));
        Sse.MoveLowToHigh(r0, r2).Store(target);
        Sse.MoveHighToLow(r2, r0).Store(target + step);
        Sse.MoveLowToHigh(r1, r3).Store(target + (2 * step));
        Sse.MoveHighToLow(r3, r1).Store(target + (3 * step));
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
        Vector512<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51, c60, c61, c70, c71, c80, c81, c90, c91, ca0, ca1, cb0, cb1;
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = c60 = c61 = c70 = c71 = c80 = c81 = c90 = c91 = ca0 = ca1 = cb0 = cb1 = Vector512<float>.Zero;
        for (; length > 0; length--, a += TileRows, b += TileColumns)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), x;
            x = Vector512.Create(a[0]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a[1]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a[2]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a[3]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            x = Vector512.Create(a[4]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            x = Vector512.Create(a[5]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            x = Vector512.Create(a[6]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
            x = Vector512.Create(a[7]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
            x = Vector512.Create(a[8]);
            c80 = Vector512.FusedMultiplyAdd(x, b0, c80);
            c81 = Vector512.FusedMultiplyAdd(x, b1, c81);
            x = Vector512.Create(a[9]);
            c90 = Vector512.FusedMultiplyAdd(x, b0, c90);
            c91 = Vector512.FusedMultiplyAdd(x, b1, c91);
            x = Vector512.Create(a[10]);
            ca0 = Vector512.FusedMultiplyAdd(x, b0, ca0);
            ca1 = Vector512.FusedMultiplyAdd(x, b1, ca1);
            x = Vector512.Create(a[11]);
            cb0 = Vector512.FusedMultiplyAdd(x, b0, cb0);
            cb1 = Vector512.FusedMultiplyAdd(x, b1, cb1);
        }

        Store(c00, c01, c, scale, from, bias);
        Store(c10, c11, c + row, scale, from == null ? null : from + fromRow, bias);
        Store(c20, c21, c + (2 * row), scale, from == null ? null : from + (2 * fromRow), bias);
        Store(c30, c31, c + (3 * row), scale, from == null ? null : from + (3 * fromRow), bias);
        Store(c40, c41, c + (4 * row), scale, from == null ? null : from + (4 * fromRow), bias);
        Store(c50, c51, c + (5 * row), scale, from == null ? null : from + (5 * fromRow), bias);
        Store(c60, c61, c + (6 * row), scale, from == null ? null : from + (6 * fromRow), bias);
        Store(c70, c71, c + (7 * row), scale, from == null ? null : from + (7 * fromRow), bias);
        Store(c80, c81, c + (8 * row), scale, from == null ? null : from + (8 * fromRow), bias);
        Store(c90, c91, c + (9 * row), scale, from == null ? null : from + (9 * fromRow), bias);
        Store(ca0, ca1, c + (10 * row), scale, from == null ? null : from + (10 * fromRow), bias);
        Store(cb0, cb1, c + (11 * row), scale, from == null ? null : from + (11 * fromRow), bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> x, Vector512<float> y, float* c, float scale, float* from, float* bias)
    {
        x *= scale;
        y *= scale;
        if (from != null)
        {
            x += Vector512.Load(from);
            y += Vector512.Load(from + 16);
        }

        if (bias != null)
        {
            x += Vector512.Load(bias);
            y += Vector512.Load(bias + 16);
        }

        x.Store(c);
        y.Store(c + 16);
    }
}

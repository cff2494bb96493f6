using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>Products of small float32 matrices that lie in the processor's cache, a tile of the result in its registers at a time, by vectors of 512 or 256 bits.</summary>
/// <remarks>May be called from several threads.</remarks>
internal static unsafe class TileProduct
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 4;

    /// <summary>c = a·b, or c += a·b.</summary>
    /// <param name="a">(m, k); m a multiple of 4.</param>
    /// <param name="aRow">From one row of a to the next.</param>
    /// <param name="aStep">From one column of a to the next.</param>
    /// <param name="b">(k, n); n 32 or a multiple of 64.</param>
    /// <param name="bRow">From one row of b to the next.</param>
    /// <param name="c">(m, n).</param>
    /// <param name="cRow">From one row of c to the next.</param>
    /// <param name="m">Rows of the result.</param>
    /// <param name="n">Columns of the result.</param>
    /// <param name="k">Products of a sum.</param>
    /// <param name="add">Whether the product is added to c.</param>
    public static void Multiply(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int m, int n, int k, bool add)
    {
        if (!VectorMath.IsWide)
        {
            for (int j = 0; j < n; j += 16)
                for (int i = 0; i < m; i += Rows) Tile16(a + ((long)i * aRow), aRow, aStep, b + j, bRow, c + ((long)i * cRow) + j, cRow, k, add);
            return;
        }

        if (n == 32)
        {
            for (int i = 0; i < m; i += Rows) Tile32(a + ((long)i * aRow), aRow, aStep, b, bRow, c + ((long)i * cRow), cRow, k, add);
            return;
        }

        // A part of b that is 64 wide is read by all rows before the next one.
        for (int j = 0; j < n; j += 64)
            for (int i = 0; i < m; i += Rows) Tile64(a + ((long)i * aRow), aRow, aStep, b + j, bRow, c + ((long)i * cRow) + j, cRow, k, add);
    }

    /// <summary>Four rows of 64 columns, in sixteen registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile64(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int k, bool add)
    {
        Vector512<float> c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33;
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        if (add)
        {
            (c00, c01, c02, c03) = (Vector512.Load(c), Vector512.Load(c + 16), Vector512.Load(c + 32), Vector512.Load(c + 48));
            (c10, c11, c12, c13) = (Vector512.Load(c1), Vector512.Load(c1 + 16), Vector512.Load(c1 + 32), Vector512.Load(c1 + 48));
            (c20, c21, c22, c23) = (Vector512.Load(c2), Vector512.Load(c2 + 16), Vector512.Load(c2 + 32), Vector512.Load(c2 + 48));
            (c30, c31, c32, c33) = (Vector512.Load(c3), Vector512.Load(c3 + 16), Vector512.Load(c3 + 32), Vector512.Load(c3 + 48));
        }
        else
        {
            c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = c20 = c21 = c22 = c23 = c30 = c31 = c32 = c33 = Vector512<float>.Zero;
        }

        for (; k > 0; k--, a += aStep, b += bRow)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32), b3 = Vector512.Load(b + 48);
            Vector512<float> x = Vector512.Create(a[0]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a[aRow]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x, b3, c13);
            x = Vector512.Create(a[2 * aRow]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x, b2, c22);
            c23 = Vector512.FusedMultiplyAdd(x, b3, c23);
            x = Vector512.Create(a[3 * aRow]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x, b2, c32);
            c33 = Vector512.FusedMultiplyAdd(x, b3, c33);
        }

        Store(c, c00, c01, c02, c03);
        Store(c1, c10, c11, c12, c13);
        Store(c2, c20, c21, c22, c23);
        Store(c3, c30, c31, c32, c33);

        static void Store(float* to, Vector512<float> x, Vector512<float> y, Vector512<float> z, Vector512<float> w)
        {
            x.Store(to);
            y.Store(to + 16);
            z.Store(to + 32);
            w.Store(to + 48);
        }
    }

    /// <summary>Four rows of 16 columns, in eight registers of 256 bits: as many sums as two units of four steps each have under way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile16(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int k, bool add)
    {
        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31;
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        if (add)
        {
            (c00, c01, c10, c11) = (Vector256.Load(c), Vector256.Load(c + 8), Vector256.Load(c1), Vector256.Load(c1 + 8));
            (c20, c21, c30, c31) = (Vector256.Load(c2), Vector256.Load(c2 + 8), Vector256.Load(c3), Vector256.Load(c3 + 8));
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = Vector256<float>.Zero;
        }

        for (; k > 0; k--, a += aStep, b += bRow)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(a[0]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a[aRow]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a[2 * aRow]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(a[3 * aRow]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c1);
        c11.Store(c1 + 8);
        c20.Store(c2);
        c21.Store(c2 + 8);
        c30.Store(c3);
        c31.Store(c3 + 8);
    }

    /// <summary>Four rows of 32 columns, in eight registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile32(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int k, bool add)
    {
        Vector512<float> c00, c01, c10, c11, c20, c21, c30, c31;
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        if (add)
        {
            (c00, c01, c10, c11) = (Vector512.Load(c), Vector512.Load(c + 16), Vector512.Load(c1), Vector512.Load(c1 + 16));
            (c20, c21, c30, c31) = (Vector512.Load(c2), Vector512.Load(c2 + 16), Vector512.Load(c3), Vector512.Load(c3 + 16));
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = Vector512<float>.Zero;
        }

        for (; k > 0; k--, a += aStep, b += bRow)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16);
            Vector512<float> x = Vector512.Create(a[0]), y = Vector512.Create(a[aRow]), z = Vector512.Create(a[2 * aRow]), w = Vector512.Create(a[3 * aRow]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c10 = Vector512.FusedMultiplyAdd(y, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(y, b1, c11);
            c20 = Vector512.FusedMultiplyAdd(z, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(z, b1, c21);
            c30 = Vector512.FusedMultiplyAdd(w, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(w, b1, c31);
        }

        c00.Store(c);
        c01.Store(c + 16);
        c10.Store(c1);
        c11.Store(c1 + 16);
        c20.Store(c2);
        c21.Store(c2 + 16);
        c30.Store(c3);
        c31.Store(c3 + 16);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>Products of four rows with a matrix: what attention is made of, too small for a BLAS to spread over threads.</summary>
internal static unsafe class MatrixRows
{
    /// <summary>The rows of a product.</summary>
    public const int Rows = 4;

    /// <summary>C = A·B.</summary>
    /// <param name="a">(4, inner).</param>
    /// <param name="aStride">Elements from a row of A to the next.</param>
    /// <param name="inner">Columns of A, rows of B.</param>
    /// <param name="b">(inner, columns).</param>
    /// <param name="bStride">Elements from a row of B to the next.</param>
    /// <param name="columns">Columns of B, a multiple of 16.</param>
    /// <param name="c">(4, columns).</param>
    /// <param name="cStride">Elements from a row of C to the next.</param>
    public static void Multiply(float* a, nint aStride, nint inner, float* b, nint bStride, nint columns, float* c, nint cStride)
    {
        nint j = 0;
        for (; j <= columns - 64; j += 64) Multiply64(a, aStride, inner, b + j, bStride, c + j, cStride);
        for (; j < columns; j += 16) Multiply16(a, aStride, inner, b + j, bStride, c + j, cStride);
    }

    /// <summary>C += Aᵀ·B: each of the rows of C gets its share of four rows of B.</summary>
    /// <param name="a">(4, rows).</param>
    /// <param name="aStride">Elements from a row of A to the next.</param>
    /// <param name="rows">Columns of A, rows of C.</param>
    /// <param name="b">(4, columns), without gaps.</param>
    /// <param name="columns">Columns of B, a multiple of 16.</param>
    /// <param name="c">(rows, columns), without gaps.</param>
    public static void AddTransposed(float* a, nint aStride, nint rows, float* b, nint columns, float* c)
    {
        nint j = 0;
        for (; j <= columns - 64; j += 64) AddTransposed64(a, aStride, rows, b + j, columns, c + j);
        for (; j < columns; j += 16) AddTransposed16(a, aStride, rows, b + j, columns, c + j);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply64(float* a, nint aStride, nint inner, float* b, nint bStride, float* c, nint cStride)
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default, c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c23 = default, c30 = default, c31 = default, c32 = default, c33 = default;
        for (nint k = 0; k < inner; k++, b += bStride)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32), b3 = Vector512.Load(b + 48);
            Vector512<float> x = Vector512.Create(a[k]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a1[k]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x, b3, c13);
            x = Vector512.Create(a2[k]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x, b2, c22);
            c23 = Vector512.FusedMultiplyAdd(x, b3, c23);
            x = Vector512.Create(a3[k]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x, b2, c32);
            c33 = Vector512.FusedMultiplyAdd(x, b3, c33);
        }

        c00.Store(c);
        c01.Store(c + 16);
        c02.Store(c + 32);
        c03.Store(c + 48);
        c += cStride;
        c10.Store(c);
        c11.Store(c + 16);
        c12.Store(c + 32);
        c13.Store(c + 48);
        c += cStride;
        c20.Store(c);
        c21.Store(c + 16);
        c22.Store(c + 32);
        c23.Store(c + 48);
        c += cStride;
        c30.Store(c);
        c31.Store(c + 16);
        c32.Store(c + 32);
        c33.Store(c + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply16(float* a, nint aStride, nint inner, float* b, nint bStride, float* c, nint cStride)
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        for (nint k = 0; k < inner; k++, b += bStride)
        {
            Vector512<float> x = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[k]), x, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[k]), x, c1);
            c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[k]), x, c2);
            c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[k]), x, c3);
        }

        c0.Store(c);
        c1.Store(c + cStride);
        c2.Store(c + (2 * cStride));
        c3.Store(c + (3 * cStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTransposed64(float* a, nint aStride, nint rows, float* b, nint columns, float* c)
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, b1 = b + columns, b2 = b1 + columns, b3 = b2 + columns;
        Vector512<float> b00 = Vector512.Load(b), b01 = Vector512.Load(b + 16), b02 = Vector512.Load(b + 32), b03 = Vector512.Load(b + 48);
        Vector512<float> b10 = Vector512.Load(b1), b11 = Vector512.Load(b1 + 16), b12 = Vector512.Load(b1 + 32), b13 = Vector512.Load(b1 + 48);
        Vector512<float> b20 = Vector512.Load(b2), b21 = Vector512.Load(b2 + 16), b22 = Vector512.Load(b2 + 32), b23 = Vector512.Load(b2 + 48);
        Vector512<float> b30 = Vector512.Load(b3), b31 = Vector512.Load(b3 + 16), b32 = Vector512.Load(b3 + 32), b33 = Vector512.Load(b3 + 48);
        for (nint j = 0; j < rows; j++, c += columns)
        {
            Vector512<float> x0 = Vector512.Create(a[j]), x1 = Vector512.Create(a1[j]), x2 = Vector512.Create(a2[j]), x3 = Vector512.Create(a3[j]);
            Vector512<float> c0 = Vector512.FusedMultiplyAdd(x0, b00, Vector512.Load(c)), c1 = Vector512.FusedMultiplyAdd(x0, b01, Vector512.Load(c + 16));
            Vector512<float> c2 = Vector512.FusedMultiplyAdd(x0, b02, Vector512.Load(c + 32)), c3 = Vector512.FusedMultiplyAdd(x0, b03, Vector512.Load(c + 48));
            c0 = Vector512.FusedMultiplyAdd(x1, b10, c0);
            c1 = Vector512.FusedMultiplyAdd(x1, b11, c1);
            c2 = Vector512.FusedMultiplyAdd(x1, b12, c2);
            c3 = Vector512.FusedMultiplyAdd(x1, b13, c3);
            c0 = Vector512.FusedMultiplyAdd(x2, b20, c0);
            c1 = Vector512.FusedMultiplyAdd(x2, b21, c1);
            c2 = Vector512.FusedMultiplyAdd(x2, b22, c2);
            c3 = Vector512.FusedMultiplyAdd(x2, b23, c3);
            Vector512.FusedMultiplyAdd(x3, b30, c0).Store(c);
            Vector512.FusedMultiplyAdd(x3, b31, c1).Store(c + 16);
            Vector512.FusedMultiplyAdd(x3, b32, c2).Store(c + 32);
            Vector512.FusedMultiplyAdd(x3, b33, c3).Store(c + 48);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTransposed16(float* a, nint aStride, nint rows, float* b, nint columns, float* c)
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + columns), b2 = Vector512.Load(b + (2 * columns)), b3 = Vector512.Load(b + (3 * columns));
        for (nint j = 0; j < rows; j++, c += columns)
        {
            Vector512<float> sum = Vector512.FusedMultiplyAdd(Vector512.Create(a[j]), b0, Vector512.Load(c));
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(a1[j]), b1, sum);
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(a2[j]), b2, sum);
            Vector512.FusedMultiplyAdd(Vector512.Create(a3[j]), b3, sum).Store(c);
        }
    }
}

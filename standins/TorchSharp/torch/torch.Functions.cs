namespace TorchSharp;

public static partial class torch
{
    public static Tensor addmm(Tensor input, Tensor mat1, Tensor mat2, float beta, float alpha) => input.addmm(mat1, mat2, beta, alpha);

    public static Tensor where(Tensor condition, Tensor x, Tensor y) => x.where(condition, y);

    public static Tensor exp(Tensor input) => input.exp();

    public static Tensor log(Tensor input) => input.log();

    public static bool allclose(Tensor tensor, Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) =>
        tensor.allclose(target, rtol, atol, equal_nan);

    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => cat([.. tensors], dim);

    public static Tensor cat(Tensor[] tensors, long dim = 0) => cat((ReadOnlySpan<Tensor>)tensors, dim);

    public static unsafe Tensor cat(ReadOnlySpan<Tensor> tensors, long dim = 0)
    {
        if (tensors.Length == 0) throw new ArgumentException(nameof(tensors));
        if (tensors.Length == 1) return tensors[0].alias();
        Tensor[] operands = tensors.ToArray();
        nint[] handles = Tensor.HandlesOf(operands);
        fixed (nint* items = handles)
        {
            Tensor result = Tensor.Own(Native.ts_cat(items, handles.Length, dim));
            GC.KeepAlive(operands);
            return result;
        }
    }

    public static unsafe Tensor stack(IEnumerable<Tensor> tensors, long dim = 0)
    {
        Tensor[] operands = [.. tensors];
        nint[] handles = Tensor.HandlesOf(operands);
        fixed (nint* items = handles)
        {
            Tensor result = Tensor.Own(Native.ts_stack(items, handles.Length, dim));
            GC.KeepAlive(operands);
            return result;
        }
    }
}

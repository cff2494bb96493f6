namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor mm(Tensor target) => Own(Native.ts_mm(Handle, target.Handle), this, target);

        public Tensor bmm(Tensor batch2) => Own(Native.ts_bmm(Handle, batch2.Handle), this, batch2);

        public Tensor matmul(Tensor target) => Own(Native.ts_matmul(Handle, target.Handle), this, target);

        public Tensor mv(Tensor target) => Own(Native.ts_mv(Handle, target.Handle), this, target);

        public Tensor dot(Tensor target)
        {
            if (ndim != 1 || target.ndim != 1 || size(0) != target.size(0))
            {
                throw new InvalidOperationException("dot arguments must have the same shape.");
            }

            return Own(Native.ts_dot(Handle, target.Handle), this, target);
        }

        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) =>
            Own(Native.ts_addmm(Handle, mat1.Handle, mat2.Handle, beta, alpha), this, mat1, mat2);

        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) =>
            Done(Native.ts_addmm_(Handle, mat1.Handle, mat2.Handle, beta, alpha), mat1, mat2);

        public Tensor addmv(Tensor mat, Tensor vec, float beta = 1.0f, float alpha = 1.0f) =>
            Own(Native.ts_addmv(Handle, mat.Handle, vec.Handle, beta, alpha), this, mat, vec);
    }
}

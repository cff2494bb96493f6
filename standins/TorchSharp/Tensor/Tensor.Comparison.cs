namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor eq(Tensor target) => Own(Native.ts_eq(Handle, target.Handle), this, target);

        public Tensor eq(Scalar target) => Own(Native.ts_eq_scalar(Handle, target.Number), this);

        public Tensor ne(Tensor target) => Own(Native.ts_ne(Handle, target.Handle), this, target);

        public Tensor ne(Scalar target) => Own(Native.ts_ne_scalar(Handle, target.Number), this);

        public Tensor lt(Tensor target) => Own(Native.ts_lt(Handle, target.Handle), this, target);

        public Tensor lt(Scalar target) => Own(Native.ts_lt_scalar(Handle, target.Number), this);

        public Tensor le(Tensor target) => Own(Native.ts_le(Handle, target.Handle), this, target);

        public Tensor le(Scalar target) => Own(Native.ts_le_scalar(Handle, target.Number), this);

        public Tensor gt(Tensor target) => Own(Native.ts_gt(Handle, target.Handle), this, target);

        public Tensor gt(Scalar target) => Own(Native.ts_gt_scalar(Handle, target.Number), this);

        public Tensor ge(Tensor target) => Own(Native.ts_ge(Handle, target.Handle), this, target);

        public Tensor ge(Scalar target) => Own(Native.ts_ge_scalar(Handle, target.Number), this);

        public bool Equals(Tensor target) => CheckedFlag(Native.ts_equal(Handle, target.Handle), target);

        public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

        public override int GetHashCode() => base.GetHashCode();

        public bool allclose(Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) =>
            CheckedFlag(Native.ts_allclose(Handle, target.Handle, rtol, atol, equal_nan), target);

        private bool CheckedFlag(int flag, Tensor target)
        {
            GC.KeepAlive(target);
            return Read(Native.CheckFlag(flag));
        }
    }
}

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor all() => Own(Native.ts_all(Handle), this);

        public Tensor all(long dim, bool keepdim = false) => Own(Native.ts_all_along(Handle, dim, keepdim), this);

        public Tensor any() => Own(Native.ts_any(Handle), this);

        public Tensor any(long dim, bool keepdim = false) => Own(Native.ts_any_along(Handle, dim, keepdim), this);

        public Tensor argmax() => Own(Native.ts_argmax(Handle), this);

        public Tensor argmax(long dim, bool keepdim = false) => Own(Native.ts_argmax_along(Handle, dim, keepdim), this);

        public Tensor max() => Own(Native.ts_max(Handle), this);

        public unsafe (Tensor values, Tensor indexes) max(long dim, bool keepdim = false)
        {
            nint values, indices;
            Done(Native.ts_max_along(Handle, dim, keepdim, &values, &indices));
            return (new Tensor(values), new Tensor(indices));
        }

        public Tensor min() => Own(Native.ts_min(Handle), this);

        public unsafe (Tensor values, Tensor indexes) min(long dim, bool keepdim = false)
        {
            nint values, indices;
            Done(Native.ts_min_along(Handle, dim, keepdim, &values, &indices));
            return (new Tensor(values), new Tensor(indices));
        }

        public Tensor sum(ScalarType? type = null) => Own(Native.ts_sum(Handle, OrNone(type)), this);

        public unsafe Tensor sum(ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null)
        {
            fixed (long* p = dim) return Own(Native.ts_sum_along(Handle, p, dim.Length, keepdim, OrNone(type)), this);
        }

        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => sum([dim], keepdim, type);

        public Tensor mean() => Own(Native.ts_mean(Handle), this);

        public unsafe Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null)
        {
            fixed (long* p = dimensions) return Own(Native.ts_mean_along(Handle, p, dimensions.Length, keepdim, OrNone(type)), this);
        }

        public Tensor var(bool unbiased = true) => Own(Native.ts_var(Handle, unbiased), this);

        public Tensor std(bool unbiased = true) => Own(Native.ts_std(Handle, unbiased), this);

        public Tensor norm(float p = 2.0f) => Own(Native.ts_norm(Handle, p), this);

        public Tensor norm(int dim, bool keepdim = false, float p = 2.0f) => Own(Native.ts_norm_along(Handle, dim, keepdim, p), this);

        public Tensor logsumexp(long dim, bool keepdim = false) => Own(Native.ts_logsumexp_along(Handle, dim, keepdim), this);

        public Tensor softmax(long dim, ScalarType? dtype = null) => Own(Native.ts_softmax(Handle, dim, OrNone(dtype)), this);

        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Own(Native.ts_log_softmax(Handle, dim, OrNone(dtype)), this);

        public Tensor cumsum(long dim, ScalarType? type = null) => Own(Native.ts_cumsum(Handle, dim, OrNone(type)), this);

        public unsafe (Tensor values, Tensor indexes) topk(int k, int dim = -1, bool largest = true, bool sorted = true)
        {
            nint values, indices;
            Done(Native.ts_topk(Handle, k, dim, largest, sorted, &values, &indices));
            return (new Tensor(values), new Tensor(indices));
        }

        public unsafe (Tensor Values, Tensor Indices) sort(long dim = -1, bool descending = false, bool stable = false)
        {
            nint values, indices;
            Done(Native.ts_sort(Handle, dim, descending, stable, &values, &indices));
            return (new Tensor(values), new Tensor(indices));
        }
    }
}

namespace TorchSharp;

public static partial class torch
{
    // Views, joins, gathers and scatters.
    public unsafe partial class Tensor
    {
        public Tensor view(params long[] shape) => Shaped(shape, &Native.ts_view);

        public Tensor reshape(params long[] shape) => Shaped(shape, &Native.ts_reshape);

        public Tensor repeat(params long[] sizes) => Shaped(sizes, &Native.ts_repeat);

        public Tensor permute(params long[] permutation) => Shaped(permutation, &Native.ts_permute);

        public Tensor expand(params long[] sizes) => expand((ReadOnlySpan<long>)sizes);

        internal Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false)
        {
            fixed (long* p = sizes) return Own(Native.ts_expand(Handle, p, sizes.Length, isImplicit), this);
        }

        public Tensor transpose(long dim0, long dim1) => Own(Native.ts_transpose(Handle, dim0, dim1), this);

        public Tensor t() => Own(Native.ts_t(Handle), this);

        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Own(Native.ts_flatten(Handle, start_dim, end_dim), this);

        public Tensor unsqueeze(long dim) => Own(Native.ts_unsqueeze(Handle, dim), this);

        public Tensor squeeze(long? dim = null) =>
            Own(dim is { } only ? Native.ts_squeeze_along(Handle, only) : Native.ts_squeeze(Handle), this);

        public Tensor narrow(long dim, long start, long length) => Own(Native.ts_narrow(Handle, dim, start, length), this);

        public Tensor select(long dim, long index) => Own(Native.ts_select(Handle, dim, index), this);

        public Tensor diagonal(long offset = 0L, long dim1 = 0L, long dim2 = 1L) =>
            Own(Native.ts_diagonal(Handle, offset, dim1, dim2), this);

        public Tensor roll(long shifts, long? dims = null) =>
            Own(Native.ts_roll(Handle, shifts, dims.HasValue, dims.GetValueOrDefault()), this);

        public Tensor[] chunk(long chunks, long dim = 0L)
        {
            nint* items;
            return Many(Native.ts_chunk(Handle, chunks, dim, &items), items);
        }

        public Tensor[] split(long size, int dim = 0)
        {
            nint* items;
            return Many(Native.ts_split(Handle, size, dim, &items), items);
        }

        public Tensor[] split(long[] sizes, long dim = 0)
        {
            nint* items;
            fixed (long* p = sizes) return Many(Native.ts_split_sizes(Handle, p, sizes.Length, dim, &items), items);
        }

        public Tensor[] unbind(long dimension = 0L)
        {
            nint* items;
            return Many(Native.ts_unbind(Handle, dimension, &items), items);
        }

        public Tensor index_select(long dim, Tensor index) => Own(Native.ts_index_select(Handle, dim, index.Handle), this, index);

        public Tensor gather(long dim, Tensor index) => Own(Native.ts_gather(Handle, dim, index.Handle), this, index);

        public Tensor masked_select(Tensor mask) => Own(Native.ts_masked_select(Handle, mask.Handle), this, mask);

        public Tensor scatter_(long dim, Tensor index, Tensor src) =>
            Done(Native.ts_scatter_(Handle, dim, index.Handle, src.Handle), index, src);

        public Tensor scatter_add_(long dim, Tensor index, Tensor src) =>
            Done(Native.ts_scatter_add_(Handle, dim, index.Handle, src.Handle), index, src);

        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Done(Native.ts_index_add_(Handle, dim, index.Handle, source.Handle, alpha.Number), index, source);

        private Tensor Shaped(long[] sizes, delegate*<nint, long*, long, nint> operation)
        {
            fixed (long* p = sizes) return Own(operation(Handle, p, sizes.Length), this);
        }

        private Tensor[] Many(long count, nint* items)
        {
            GC.KeepAlive(this);
            return OwnMany(count, items);
        }
    }
}

using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A handle to a tensor of libtorch: its life, what it says about itself, its elements.</summary>
    public partial class Tensor : IDisposable
    {
        internal nint handle;

        private static long totalCount;
        private static long peakCount;

        internal Tensor(nint handle)
        {
            this.handle = handle;
            long count = Interlocked.Increment(ref totalCount);
            if (count > peakCount) peakCount = count;
            OwningDisposeScope = DisposeScopeManager.ThreadSingleton.RegisterOnCurrentDisposeScope(this);
        }

        ~Tensor() => Release();

        public static long TotalCount => totalCount;

        public static long PeakCount => peakCount;

        public nint Handle => handle != 0 ? handle : throw new InvalidOperationException("Tensor invalid -- empty handle.");

        public bool IsInvalid => handle == 0;

        internal DisposeScope? OwningDisposeScope { get; set; }

        public void Dispose()
        {
            Release();
            GC.SuppressFinalize(this);
        }

        private void Release()
        {
            if (handle == 0) return;
            DisposeScopeManager.ThreadSingleton.DisposingOnCurrentScope(this);
            OwningDisposeScope?.MarkAsDisposed(this);
            Interlocked.Decrement(ref totalCount);
            Native.ts_delete(handle);
            handle = 0;
        }

        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter(this);
            return this;
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach(this);
            return this;
        }

        public Tensor MoveToOtherDisposeScope(Tensor other)
        {
            if (OwningDisposeScope is { } scope) scope.MoveTo(other.OwningDisposeScope, this);
            else other.OwningDisposeScope?.Attach(this);
            return this;
        }

        public long ndim => Read(Native.ts_dim(Handle));

        public long dim() => ndim;

        public long NumberOfElements => Read(Native.ts_numel(Handle));

        public long numel() => NumberOfElements;

        public long element_size() => Read(Native.ts_element_size(Handle));

        public ScalarType dtype => (ScalarType)Read(Native.ts_dtype(Handle));

        public DeviceType device_type => (DeviceType)Read(Native.ts_device_type(Handle));

        internal int device_index => Read(Native.ts_device_index(Handle));

        public Device device => device_type == DeviceType.CPU ? new Device(DeviceType.CPU) : new Device(device_type, device_index);

        public bool is_cuda => device_type == DeviceType.CUDA;

        public bool is_contiguous() => Read(Native.ts_is_contiguous(Handle));

        public bool is_pinned() => Read(Native.CheckFlag(Native.ts_is_pinned(Handle)));

        public unsafe long size(int dim)
        {
            long result;
            Done(Native.ts_size(Handle, dim, &result));
            return result;
        }

        public unsafe long[] size()
        {
            var sizes = new long[ndim];
            fixed (long* p = sizes) Native.ts_sizes(Handle, p);
            GC.KeepAlive(this);
            return sizes;
        }

        public long[] shape => size();

        internal unsafe long stride(int dim)
        {
            long result;
            Done(Native.ts_stride(Handle, dim, &result));
            return result;
        }

        public unsafe long[] stride()
        {
            var strides = new long[ndim];
            fixed (long* p = strides) Native.ts_strides(Handle, p);
            GC.KeepAlive(this);
            return strides;
        }

        public unsafe Span<byte> bytes
        {
            get
            {
                long count = NumberOfElements * element_size();
                if (!is_contiguous()) throw new InvalidOperationException("Bytes() called on non-contiguous tensor.");
                if (count > int.MaxValue) throw new ArgumentException("Span only supports up to int.MaxValue elements.");
                RequireCpu();
                return new Span<byte>((void*)DataPointer(), (int)count);
            }

            set
            {
                if (!is_contiguous()) throw new InvalidOperationException("SetBytes() called on non-contiguous tensor.");
                if (NumberOfElements * element_size() != value.Length) throw new ArgumentException("Mismatched data sizes in SetBytes().");
                value.CopyTo(new Span<byte>((void*)DataPointer(), value.Length));
            }
        }

        public TensorAccessor<T> data<T>() where T : unmanaged
        {
            if (!ElementTypes.TryGetValue(typeof(T), out ScalarType type) || type != dtype)
            {
                throw new ArgumentException($"{typeof(T).Name} is not compatible with {dtype}");
            }

            return new TensorAccessor<T>(device_type == DeviceType.CPU ? this : cpu());
        }

        public T item<T>() where T : unmanaged
        {
            if (NumberOfElements != 1) throw new ArgumentException("Number of elements in the tensor must be 1");
            return data<T>()[0];
        }

        public unsafe Scalar ToScalar()
        {
            Number number;
            Done(Native.ts_item(Handle, &number));
            return Scalar.From(number);
        }

        internal nint DataPointer()
        {
            nint data = Native.ts_data(Handle);
            if (data == 0 && NumberOfElements != 0) throw Native.Failure();
            GC.KeepAlive(this);
            return data;
        }

        internal void RequireCpu()
        {
            if (device_type != DeviceType.CPU)
            {
                throw new InvalidOperationException(
                    "Reading data from non-CPU memory is not supported. Move or copy the tensor to the cpu before reading.");
            }
        }

        // ---- how results and failures of native calls come back; the operands stay alive until they have

        internal static Tensor Own(nint result, Tensor? a = null, Tensor? b = null, Tensor? c = null, Tensor? d = null)
        {
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            GC.KeepAlive(c);
            GC.KeepAlive(d);
            return new Tensor(Native.Check(result));
        }

        /// <summary>For operations in place, which return the tensor itself.</summary>
        private Tensor Done(int status, Tensor? a = null, Tensor? b = null)
        {
            GC.KeepAlive(this);
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            Native.Check(status);
            return this;
        }

        private T Read<T>(T value)
        {
            GC.KeepAlive(this);
            return value;
        }

        /// <summary>Wraps the array of handles that a native call made, and frees it.</summary>
        internal static unsafe Tensor[] OwnMany(long count, nint* items)
        {
            if (count < 0) throw Native.Failure();
            var tensors = new Tensor[count];
            for (int i = 0; i < tensors.Length; i++) tensors[i] = new Tensor(items[i]);
            Native.ts_free(items);
            return tensors;
        }

        internal static nint HandleOrNull(Tensor? tensor) => tensor is null ? 0 : tensor.Handle;

        internal static nint[] HandlesOf(IEnumerable<Tensor?> tensors) => [.. tensors.Select(HandleOrNull)];
    }
}

namespace TorchSharp;

public static partial class torch
{
    // Conversions, copies, fillings.
    public partial class Tensor
    {
        internal Tensor to_type(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Moved(Native.ts_to_type(Handle, (sbyte)type, copy, non_blocking), disposeAfter);

        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to_type(type, copy, disposeAfter, non_blocking);

        internal Tensor to(DeviceType deviceType, int deviceIndex = -1, bool copy = false, bool disposeAfter = false, bool non_blocking = false)
        {
            InitializeDeviceType(deviceType);
            return Moved(Native.ts_to_device(Handle, (int)deviceType, deviceIndex, copy, non_blocking), disposeAfter);
        }

        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(device.type, device.index, copy, disposeAfter, non_blocking);

        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false)
        {
            device = InitializeDevice(device);
            return Moved(Native.ts_to(Handle, (sbyte)type, (int)device.type, device.index, copy, non_blocking), disposeAfter);
        }

        public Tensor cpu() => Own(Native.ts_cpu(Handle), this);

        public Tensor cuda(Device? device = null, bool non_blocking = false)
        {
            if (device is not null && device.type != DeviceType.CUDA) throw new ArgumentException("Not a CUDA device.", nameof(device));
            InitializeDeviceType(DeviceType.CUDA);
            return Own(device is null ? Native.ts_cuda(Handle) : Native.ts_to_device(Handle, (int)DeviceType.CUDA, device.index, false, non_blocking), this);
        }

        public Tensor pin_memory() => Own(Native.ts_pin_memory(Handle), this);

        public Tensor clone() => Own(Native.ts_clone(Handle), this);

        public Tensor alias() => Own(Native.ts_alias(Handle), this);

        public Tensor contiguous() => Own(Native.ts_contiguous(Handle), this);

        public Tensor copy_(Tensor source, bool nonBlocking = false) => Done(Native.ts_copy_(Handle, source.Handle, nonBlocking), source);

        public Tensor fill_(Scalar value) => Done(Native.ts_fill_(Handle, value.Number));

        /// <summary>Fills the tensor with zeros; as in the original, what is returned is a second handle to it.</summary>
        public Tensor zero_() => Own(Native.ts_zeros_out(Handle), this);

        public Tensor normal_(double mean = 0.0, double std = 1.0, Generator? generator = null) =>
            Done(Native.ts_normal_(Handle, mean, std, Generator.HandleOrNull(generator)));

        public Tensor uniform_(double from, double to, Generator? generator = null) =>
            Done(Native.ts_uniform_(Handle, from, to, Generator.HandleOrNull(generator)));

        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) =>
            Own(Native.ts_multinomial(Handle, num_samples, replacement, Generator.HandleOrNull(generator)), this);

        internal Tensor zeros_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
        {
            Device place = device ?? this.device;
            return Own(Native.ts_zeros_like(Handle, (sbyte)(dtype ?? this.dtype), (int)place.type, place.index, requires_grad), this);
        }

        internal Tensor ones_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
        {
            Device place = device ?? this.device;
            return Own(Native.ts_ones_like(Handle, (sbyte)(dtype ?? this.dtype), (int)place.type, place.index, requires_grad), this);
        }

        internal Tensor empty_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
        {
            Device place = device ?? this.device;
            return Own(Native.ts_empty_like(Handle, (sbyte)(dtype ?? this.dtype), (int)place.type, place.index, requires_grad), this);
        }

        private Tensor Moved(nint result, bool disposeAfter)
        {
            GC.KeepAlive(this);
            Native.Check(result);
            if (disposeAfter) Dispose();
            return new Tensor(result);
        }
    }
}

namespace TorchSharp;

public static partial class torch
{
    public class Generator : IDisposable
    {
        public Generator(ulong seed = 0, Device? device = null)
            : this(Made(seed)) => this.device = device ?? CPU;

        private Generator(nint handle)
        {
            Handle = handle;
            device = CPU;
        }

        ~Generator() => Dispose(false);

        public static Generator Default => new(Native.Check(Native.ts_generator_default()));

        public nint Handle { get; private set; }

        public Device device { get; private set; }

        public Tensor get_state()
        {
            Tensor state = Tensor.Own(Native.ts_generator_get_state(Handle));
            GC.KeepAlive(this);
            return state;
        }

        public void set_state(Tensor value)
        {
            Native.Check(Native.ts_generator_set_state(Handle, value.Handle));
            GC.KeepAlive(this);
            GC.KeepAlive(value);
        }

        public Generator manual_seed(long seed)
        {
            TryInitializeDeviceType(DeviceType.CUDA);
            Native.Check(Native.ts_generator_seed(Handle, (ulong)seed));
            return this;
        }

        public long initial_seed() => (long)Native.ts_generator_initial_seed(Handle);

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            if (Handle == 0) return;
            Native.ts_generator_delete(Handle);
            Handle = 0;
        }

        internal static nint HandleOrNull(Generator? generator) => generator is null ? 0 : generator.Handle;

        private static nint Made(ulong seed)
        {
            InitializeDeviceType(DeviceType.CPU);
            return Native.Check(Native.ts_generator_new(seed));
        }
    }

    public static class random
    {
        public static Generator manual_seed(long seed) => Generator.Default.manual_seed(seed);

        public static Tensor get_rng_state() => Generator.Default.get_state();

        public static void set_rng_state(Tensor new_state) => Generator.Default.set_state(new_state);
    }

    public static Generator manual_seed(long seed) => random.manual_seed(seed);

    public static Tensor get_rng_state() => random.get_rng_state();

    public static void set_rng_state(Tensor new_state) => random.set_rng_state(new_state);
}

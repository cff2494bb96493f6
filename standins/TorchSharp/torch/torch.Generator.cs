namespace TorchSharp;

public static partial class torch
{
    /// <summary>A source of random numbers on the CPU.</summary>
    public class Generator : IDisposable
    {
        private nint handle;

        public Generator(ulong seed = 0, Device? device = null)
            : this(Native.Check(Native.ts_generator_new(seed)))
        {
        }

        private Generator(nint handle) => this.handle = handle;

        ~Generator() => Release();

        internal static Generator Default => new(Native.Check(Native.ts_generator_default()));

        public Tensor get_state()
        {
            Tensor state = Tensor.Own(Native.ts_generator_get_state(handle));
            GC.KeepAlive(this);
            return state;
        }

        public void set_state(Tensor value)
        {
            Native.Check(Native.ts_generator_set_state(handle, value.Handle));
            GC.KeepAlive(this);
            GC.KeepAlive(value);
        }

        public Generator manual_seed(long seed)
        {
            Native.Check(Native.ts_generator_seed(handle, (ulong)seed));
            return this;
        }

        public void Dispose()
        {
            Release();
            GC.SuppressFinalize(this);
        }

        internal static nint HandleOrNull(Generator? generator) => generator?.handle ?? 0;

        private void Release()
        {
            if (handle == 0) return;
            Native.ts_generator_delete(handle);
            handle = 0;
        }
    }

    /// <summary>Seeds the CPU's generator; as in the original, CUDA's have a call of their own.</summary>
    public static Generator manual_seed(long seed) => Generator.Default.manual_seed(seed);

    public static Tensor get_rng_state() => Generator.Default.get_state();

    public static void set_rng_state(Tensor new_state) => Generator.Default.set_state(new_state);
}

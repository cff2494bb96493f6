using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>Memory for one tensor, on the CPU or the GPU of a model; freed by the finalizer if its owner forgets to.</summary>
internal abstract class TensorMemory : IDisposable
{
    private TensorMemory(OrtMemoryInfo info, long byteCount) => (Info, ByteCount) = (info, byteCount);

    public OrtMemoryInfo Info { get; }

    public long ByteCount { get; }

    public abstract IntPtr Address { get; }

    /// <summary>Takes memory on the model's device; its contents are undefined.</summary>
    /// <exception cref="InferenceFailedException">The GPU has too little memory, or one tensor would exceed 4 GiB there.</exception>
    /// <exception cref="OutOfMemoryException">The CPU has too little memory.</exception>
    public static TensorMemory Allocate(OnnxCausalModel model, long byteCount)
    {
        if (model.CacheMemory is not { } info) return new OnCpu(byteCount);
        string work = $"a key/value cache with tensors of {byteCount} bytes";
        if (byteCount > uint.MaxValue) throw new InferenceFailedException(model.Device, work, new OutOfMemoryException($"One allocation there can have {uint.MaxValue} bytes."));
        try
        {
            return new OnDevice(model.Session, info, (uint)byteCount);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new InferenceFailedException(model.Device, work, exception);
        }
    }

    public abstract void Dispose();

    private sealed unsafe class OnCpu : TensorMemory
    {
        private const nuint CacheLine = 64;

        private void* memory;

        public OnCpu(long byteCount)
            : base(OrtMemoryInfo.DefaultInstance, byteCount) => memory = NativeMemory.AlignedAlloc(checked((nuint)byteCount), CacheLine);

        ~OnCpu() => Free();

        public override IntPtr Address => (IntPtr)memory;

        public override void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            NativeMemory.AlignedFree(memory);
            memory = null;
        }
    }

    private sealed class OnDevice : TensorMemory
    {
        private readonly OrtAllocator allocator;
        private readonly OrtMemoryAllocation allocation;   // a SafeHandle, with a finalizer of its own

        public OnDevice(InferenceSession session, OrtMemoryInfo info, uint byteCount)
            : base(info, byteCount)
        {
            allocator = new OrtAllocator(session, info);
            try
            {
                allocation = allocator.Allocate(byteCount);
            }
            catch
            {
                allocator.Dispose();
                throw;
            }
        }

        public override IntPtr Address => allocation.DangerousGetHandle();

        public override void Dispose()
        {
            allocation.Dispose();
            allocator.Dispose();
        }
    }
}

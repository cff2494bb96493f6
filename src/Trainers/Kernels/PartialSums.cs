using System.Runtime.InteropServices;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace MLNet.Gpt;

/// <summary>What the blocks of a kernel sum each for itself, added up always in the same order.</summary>
internal sealed unsafe class PartialSums : IDisposable
{
    private readonly int _blocks;
    private readonly int _count;

    /// <summary>Allocates zeros.</summary>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="count">Numbers of a block.</param>
    public PartialSums(int blocks, int count)
    {
        _blocks = blocks;
        _count = count;
        Address = (float*)NativeMemory.AllocZeroed((nuint)blocks * (nuint)count, sizeof(float));
    }

    /// <summary>Block after block.</summary>
    public float* Address { get; private set; }

    /// <summary>Rows of a block: enough to be worth a thread's while, and no more than 64 blocks, whose sums take memory.</summary>
    public static long RowsOfBlock(long rows, long columns, long elements) => Math.Max(Math.Max(1, elements / columns), (rows + 63) / 64);

    /// <summary>Adds each block's sums to a tensor.</summary>
    /// <param name="target">(count) float32, contiguous, on the CPU.</param>
    public void AddTo(Tensor target)
    {
        var sums = new Span<float>(CpuMemory.AddressOf(target, _count), _count);
        for (int block = 0; block < _blocks; block++) TensorPrimitives.Add(sums, new ReadOnlySpan<float>(Address + ((long)block * _count), _count), sums);
        GC.KeepAlive(target);
    }

    public void Dispose()
    {
        NativeMemory.Free(Address);
        Address = null;
    }
}

using System.Globalization;

namespace MLNet.Gpt;

/// <summary>Where a model computes: the CPU, or a CUDA GPU by its index.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public readonly record struct GptDevice
{
    private GptDevice(int? cudaIndex) => CudaIndex = cudaIndex;

    /// <summary>The CPU; also the default value of this type.</summary>
    public static GptDevice Cpu { get; } = default;

    /// <summary>A CUDA GPU.</summary>
    /// <param name="index">The GPU's index, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative.</exception>
    public static GptDevice Cuda(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new(index);
    }

    /// <summary>The GPU's index, or null on the CPU.</summary>
    public int? CudaIndex { get; }

    /// <summary>Whether this is a CUDA GPU.</summary>
    public bool IsCuda => CudaIndex is not null;

    /// <summary>"cpu", or "cuda:0" and so on.</summary>
    public override string ToString() => CudaIndex is { } index ? "cuda:" + index.ToString(CultureInfo.InvariantCulture) : "cpu";
}

namespace MLNet.Gpt;

/// <summary>What multiplies large float32 matrices on a CPU.</summary>
internal enum ProductEngine
{
    /// <summary>libtorch's own way: MKL on x86 processors.</summary>
    LibTorch,

    /// <summary>oneDNN, which is part of libtorch.</summary>
    OneDnn,

    /// <summary><see cref="PackedProduct"/>.</summary>
    Packed,
}

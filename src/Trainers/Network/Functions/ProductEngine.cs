namespace MLNet.Gpt;

/// <summary>What computes a product of matrices on a CPU.</summary>
internal enum ProductEngine
{
    /// <summary>libtorch's own way: MKL for float32 on x86 processors.</summary>
    LibTorch,

    /// <summary>oneDNN, which is part of libtorch.</summary>
    OneDnn,

    /// <summary><see cref="PackedProduct"/>.</summary>
    Packed,
}

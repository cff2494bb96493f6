namespace MLNet.Gpt;

/// <summary>Which products of float32 matrices <see cref="MatrixProduct"/> gives to which engine.</summary>
internal enum ProductChoice
{
    /// <summary>All to libtorch.</summary>
    LibTorch,

    /// <summary>Large ones to oneDNN: a wide layer's forward pass and its input's gradient, and a weight's gradient where that is wide too. For AMD's processors with AVX2.</summary>
    LargeOneDnn,

    /// <summary>All that are worth a call to oneDNN. For AMD's with registers and arithmetic of 512 bits (Zen 5).</summary>
    OneDnn,

    /// <summary>Large forward passes to oneDNN, large gradients to <see cref="PackedProduct"/>. For AMD's with AVX-512 on arithmetic of 256 bits (Zen 4).</summary>
    OneDnnAndPacked,

    /// <summary>All that are worth a call to <see cref="PackedProduct"/>. For benchmarks and tests.</summary>
    Packed,
}

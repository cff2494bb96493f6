namespace MLNet.Gpt;

/// <summary>The numbers that an ONNX package keeps a model's matrices in.</summary>
public enum WeightFormat
{
    /// <summary>32 bits: the trained weights, unchanged. The default.</summary>
    Float32,

    /// <summary>16 bits, 11 of them significant; activations and the key/value cache too. For GPUs: a CPU computes it by way of float32, slower than float32 itself.</summary>
    Float16,

    /// <summary>16 bits, 8 of them significant, with float32's range; activations and the key/value cache too. For CUDA GPUs alone: ONNX Runtime's CPU has no operators for it.</summary>
    BFloat16,

    /// <summary>8 bits in blocks with a float32 scale each; what is computed with them stays float32. A quarter of float32's size.</summary>
    Int8,

    /// <summary>4 bits in blocks with a float32 scale each; what is computed with them stays float32. About a sixth of float32's size.</summary>
    Int4,
}

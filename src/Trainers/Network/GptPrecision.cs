namespace MLNet.Gpt;

/// <summary>The number format that a network computes in. Master weights, optimizer moments, softmax and losses are float32 in each.</summary>
public enum GptPrecision
{
    /// <summary>
    /// bfloat16 on every CUDA GPU and on a CPU that multiplies faster in it (one with AMX, or AMD's with AVX512-BF16), else float32. The GPU's compute capability is not looked at: below 8.0 (before Ampere)
    /// bfloat16 is emulated and slow, and <see cref="Float32"/> is the better choice.
    /// </summary>
    Auto,

    /// <summary>float32 throughout.</summary>
    Float32,

    /// <summary>A bfloat16 working copy of float32 master weights; activations and gradients in bfloat16 (Micikevicius et al. 2018, with bfloat16's range in place of loss scaling).</summary>
    BFloat16,
}

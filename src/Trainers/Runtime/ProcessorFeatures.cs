using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>What decides which products are fast on a CPU. libtorch's libraries choose their code by the same.</summary>
/// <param name="IsX86">An x86 processor; of others nothing else is known.</param>
/// <param name="IsAmd">One of AMD's.</param>
/// <param name="Avx512">AVX-512: F, BW, CD, DQ and VL.</param>
/// <param name="Avx512BFloat16">AVX512-BF16.</param>
/// <param name="AmxBFloat16">AMX-BF16; a virtual machine may hide it.</param>
internal sealed record ProcessorFeatures(bool IsX86, bool IsAmd, bool Avx512, bool Avx512BFloat16, bool AmxBFloat16)
{
    /// <summary>This machine's.</summary>
    public static ProcessorFeatures Current { get; } = Read();

    /// <summary>Whether libtorch has fast products in bfloat16: oneDNN's, which want AVX-512 of an x86 processor (on AVX2 products take many times as long as in float32). Other architectures have not been measured and are taken to have them.</summary>
    public bool HasBFloat16Products => !IsX86 || Avx512;

    /// <summary>
    /// Whether products in bfloat16 are faster than in float32. On AMD's processors AVX512-BF16 multiplies twice as much at once; on Intel's its instruction is issued once where four of
    /// float32's are (measured on Emerald Rapids: 76 GFLOP/s a core beside 161), and bfloat16 is AMX's work.
    /// </summary>
    public bool IsFasterInBFloat16 => AmxBFloat16 || (Avx512BFloat16 && IsAmd);

    /// <summary>CPUID leaf 0 (maker), leaf 7, subleaf 1, EAX bit 5 (AVX512_BF16); leaf 7, subleaf 0, EDX bit 22 (AMX-BF16).</summary>
    private static ProcessorFeatures Read()
    {
        if (!X86Base.IsSupported) return new(false, false, false, false, false);
        (int leaves, int b, int c, int d) = X86Base.CpuId(0, 0);
        bool amd = (b, d, c) == (0x68747541, 0x69746E65, 0x444D4163);   // "Auth", "enti", "cAMD"
        if (!Avx512BW.IsSupported || leaves < 7) return new(true, amd, Avx512BW.IsSupported, false, false);
        (int subleaves, _, _, int features) = X86Base.CpuId(7, 0);
        return new(true, amd, true, subleaves >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0, (features & (1 << 22)) != 0);
    }
}

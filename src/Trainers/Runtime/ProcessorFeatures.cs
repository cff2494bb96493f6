using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>What decides which products are fast on a CPU. libtorch's libraries choose their code by the same.</summary>
/// <param name="IsX86">An x86 processor; of others nothing else is known.</param>
/// <param name="IsAmd">One of AMD's.</param>
/// <param name="Avx512">AVX-512: F, BW, CD, DQ and VL.</param>
/// <param name="Avx512BFloat16">AVX512-BF16.</param>
/// <param name="AmxBFloat16">AMX-BF16; a virtual machine may hide it.</param>
/// <param name="Family">The maker's number of the design, the extended one added; 0 where it is not known.</param>
internal sealed record ProcessorFeatures(bool IsX86, bool IsAmd, bool Avx512, bool Avx512BFloat16, bool AmxBFloat16, int Family = 0)
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

    /// <summary>AMD's processors with AVX-512 whose arithmetic takes 256 bits at once: of family 25 (19h), as Zen 3 is, which has no AVX-512.</summary>
    public bool IsZen4 => IsAmd && Avx512 && Family == 0x19;

    /// <summary>CPUID leaf 0 (maker), leaf 1, EAX bits 8 to 11 and 20 to 27 (family, extended family), leaf 7, subleaf 1, EAX bit 5 (AVX512_BF16); leaf 7, subleaf 0, EDX bit 22 (AMX-BF16).</summary>
    private static ProcessorFeatures Read()
    {
        if (!X86Base.IsSupported) return new(false, false, false, false, false);
        (int leaves, int b, int c, int d) = X86Base.CpuId(0, 0);
        bool amd = (b, d, c) == (0x68747541, 0x69746E65, 0x444D4163);   // "Auth", "enti", "cAMD"
        int version = X86Base.CpuId(1, 0).Eax, family = (version >> 8) & 0xF;
        if (family == 0xF) family += (version >> 20) & 0xFF;
        if (!Avx512BW.IsSupported || leaves < 7) return new(true, amd, Avx512BW.IsSupported, false, false, family);
        (int subleaves, _, _, int features) = X86Base.CpuId(7, 0);
        return new(true, amd, true, subleaves >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0, (features & (1 << 22)) != 0, family);
    }
}

using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace MLNet.Gpt;

/// <summary>Chooses the number format for a device.</summary>
internal static class PrecisionPolicy
{
    /// <summary>Replaces Auto by the format that the device is fast at.</summary>
    public static GptPrecision Resolve(GptPrecision precision, GptDevice device) => precision switch
    {
        GptPrecision.Float32 or GptPrecision.BFloat16 => precision,
        GptPrecision.Auto => device.IsCuda || CpuHasFastBFloat16() ? GptPrecision.BFloat16 : GptPrecision.Float32,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, $"Precision {precision} is not one of Auto, Float32 and BFloat16."),
    };

    /// <summary>CPUID leaf 7, subleaf 1, EAX bit 5 (AVX512_BF16); leaf 7, subleaf 0, EDX bit 22 (AMX-BF16).</summary>
    private static bool CpuHasFastBFloat16()
    {
        if (!X86Base.IsSupported || !Avx512F.IsSupported || X86Base.CpuId(0, 0).Eax < 7) return false;
        (int maxSubleaf, _, _, int features) = X86Base.CpuId(7, 0);
        return (features & (1 << 22)) != 0 || (maxSubleaf >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0);
    }
}

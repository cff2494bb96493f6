using System.Globalization;

namespace MLNet.Gpt.Tests;

[TestClass]
public sealed class PrecisionPolicyTests
{
    // As libtorch's products were measured: on AMD's AVX512-BF16 3.8 times as fast as in float32, on Intel's without AMX half as fast.
    [TestMethod]
    [DataRow(true, true, true, true, false, GptPrecision.BFloat16, DisplayName = "AMD with AVX512-BF16")]
    [DataRow(true, true, true, false, false, GptPrecision.Float32, DisplayName = "AMD with AVX-512 alone")]
    [DataRow(true, true, false, false, false, GptPrecision.Float32, DisplayName = "AMD with AVX2")]
    [DataRow(true, false, true, true, false, GptPrecision.Float32, DisplayName = "Intel with AVX512-BF16 alone")]
    [DataRow(true, false, true, true, true, GptPrecision.BFloat16, DisplayName = "Intel with AMX")]
    [DataRow(true, false, true, false, false, GptPrecision.Float32, DisplayName = "Intel with AVX-512 alone")]
    [DataRow(false, false, false, false, false, GptPrecision.Float32, DisplayName = "another architecture")]
    public void AutoTakesBFloat16WhereTheProcessorMultipliesFasterInIt(bool x86, bool amd, bool avx512, bool avx512BFloat16, bool amx, GptPrecision expected)
    {
        var processor = new ProcessorFeatures(x86, amd, avx512, avx512BFloat16, amx);

        Assert.AreEqual(expected, PrecisionPolicy.Resolve(GptPrecision.Auto, GptDevice.Cpu, processor));
        Assert.AreEqual(GptPrecision.BFloat16, PrecisionPolicy.Resolve(GptPrecision.Auto, GptDevice.Cuda(0), processor));
        Assert.AreEqual(GptPrecision.Float32, PrecisionPolicy.Resolve(GptPrecision.Float32, GptDevice.Cpu, processor));
        Assert.AreEqual(GptPrecision.BFloat16, PrecisionPolicy.Resolve(GptPrecision.BFloat16, GptDevice.Cpu, processor));
    }

    [TestMethod]
    public void ThisMachinesFeaturesAreWhatTheSystemSays()
    {
        if (!File.Exists("/proc/cpuinfo") || !System.Runtime.Intrinsics.X86.X86Base.IsSupported) Assert.Inconclusive("Linux on x86 lists a processor's features in /proc/cpuinfo.");
        string[] lines = File.ReadAllLines("/proc/cpuinfo");
        string[] flags = lines.First(static line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ');
        bool avx512 = flags.Contains("avx512bw") && System.Runtime.Intrinsics.X86.Avx512BW.IsSupported;   // .NET's can be switched off

        Assert.AreEqual(new ProcessorFeatures(true, lines.Any(static line => line.Contains("AuthenticAMD", StringComparison.Ordinal)), avx512,
            avx512 && flags.Contains("avx512_bf16"), avx512 && flags.Contains("amx_bf16"), int.Parse(lines.First(static line => line.StartsWith("cpu family", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture)), ProcessorFeatures.Current);
    }
}

using System.Globalization;

namespace MLNet.Gpt;

/// <summary>Bytes as people read them.</summary>
internal static class ByteSize
{
    /// <summary>"512 bytes", "3.2 MiB", "14.0 GiB".</summary>
    public static string Text(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):F1} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):F1} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
    };
}

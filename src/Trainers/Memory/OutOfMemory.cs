using System.Globalization;
using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>Tells libtorch's lack of memory from its other errors: TorchSharp has one exception for all of them, with libtorch's text.</summary>
internal static partial class OutOfMemory
{
    /// <summary>Whether an exception says that memory could not be had.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="requestedBytes">What was asked for, where the text says it.</param>
    public static bool Is(Exception exception, out long? requestedBytes)
    {
        requestedBytes = null;
        if (exception is OutOfMemoryException) return true;
        if (exception is not System.Runtime.InteropServices.ExternalException) return false;

        // "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; …" and "DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."
        // (Windows: "not enough memory"); the driver itself says "CUDA error: out of memory".
        string text = exception.Message;
        if (!text.Contains("out of memory", StringComparison.OrdinalIgnoreCase) && !text.Contains("DefaultCPUAllocator", StringComparison.Ordinal)) return false;
        Match match = Requested.Match(text);
        if (match.Success)
        {
            double unit = match.Groups[2].Value switch { "KiB" => 1L << 10, "MiB" => 1L << 20, "GiB" => 1L << 30, "TiB" => 1L << 40, _ => 1 };
            double bytes = double.Parse(match.Groups[1].Value, NumberStyles.Float, CultureInfo.InvariantCulture) * unit;
            if (bytes < long.MaxValue) requestedBytes = (long)bytes;
        }

        return true;
    }

    [GeneratedRegex("tried to allocate ([0-9.]+) (bytes|KiB|MiB|GiB|TiB)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Requested { get; }
}

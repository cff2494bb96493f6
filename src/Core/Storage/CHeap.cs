using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>The heap of the C library, which native libraries and <see cref="NativeMemory"/> allocate from.</summary>
internal static partial class CHeap
{
    /// <summary>Gives back to the system what the heap holds of freed memory; does nothing where the system's heap can't be told to.</summary>
    public static void ReturnFree()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = malloc_trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has none; large blocks go back there as they are freed.
        }
    }

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint pad);
}

using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>What Linux is told about memory (madvise). It may refuse, and then all stays as it was; elsewhere nothing is said.</summary>
internal static unsafe partial class MemoryAdvice
{
    /// <summary>Bytes of a huge page of x86-64, and of others with pages of 4 KiB.</summary>
    public const int HugePageBytes = 1 << 21;

    private const int DontNeed = 4, HugePages = 14;

    /// <summary>Gives the pages of a mapped file back to the system, which reads again those that are wanted.</summary>
    public static void DropPages(byte* start, long length) => Tell(start, length, DontNeed);

    /// <summary>Asks for huge pages where memory has not been touched yet: fewer of them have to be found when it is read, and faulted in when it is written first.</summary>
    public static void UseHugePages(byte* start, long length) => Tell(start, length, HugePages);

    private static void Tell(byte* start, long length, int advice)
    {
        if (!OperatingSystem.IsLinux()) return;
        nint page = Environment.SystemPageSize, first = (nint)start / page * page;
        _ = Advise((void*)first, (nuint)((nint)start + (nint)length - first), advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}

using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Linux's cache of what files hold.</summary>
internal static partial class PageCache
{
    private const int DontNeed = 4;

    /// <summary>Writes a file out and drops its pages, so that whoever reads it next reads the disk. The disk may have a cache of its own.</summary>
    public static void Forget(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
        int error = Advise(file, 0, 0, DontNeed);   // all of it
        if (error != 0) throw new Win32Exception(error);
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, nint offset, nint length, int advice);
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MLNet.Gpt;

/// <summary>Makes what was written survive a power failure: fsync of files, and of folders where the system has that.</summary>
internal static partial class DiskSync
{
    /// <summary>Flushes one file's contents to the disk.</summary>
    public static void File(string path)
    {
        // Windows flushes what is open for writing alone; elsewhere a file that may not be written, such as a copy of one, is flushed too.
        FileAccess access = OperatingSystem.IsWindows() ? FileAccess.ReadWrite : FileAccess.Read;
        using SafeFileHandle handle = System.IO.File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>
    /// Flushes a folder's list of names to the disk, so that a rename in it lasts. Windows keeps that list in its journal and
    /// offers no such call; there this does nothing.
    /// </summary>
    public static void Folder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = Open(path, ReadOnly);
        if (descriptor < 0) throw Error("opened", path);
        try
        {
            // EINVAL: a file system (some network and FUSE ones) that has no fsync for folders.
            if (Fsync(descriptor) != 0 && Marshal.GetLastPInvokeError() != InvalidArgument) throw Error("flushed to the disk", path);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>Flushes every file and folder below <paramref name="root"/>, and that folder itself.</summary>
    public static void Tree(string root)
    {
        foreach (string file in Directory.EnumerateFiles(root)) File(file);
        foreach (string folder in Directory.EnumerateDirectories(root)) Tree(folder);
        Folder(root);
    }

    /// <summary>
    /// Exchanges two existing paths in one step, so that at no moment either is missing.
    /// </summary>
    /// <returns>False where the system or the file system has no such call; nothing was changed then.</returns>
    public static bool TryExchange(string first, string second)
    {
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            if (RenameAt2(CurrentFolder, first, CurrentFolder, second, ExchangeFlag) == 0) return true;
        }
        catch (EntryPointNotFoundException)
        {
            return false; // a C library older than the call (glibc before 2.28)
        }

        return Marshal.GetLastPInvokeError() is InvalidArgument or NotImplemented or NotSupported or CrossDevice
            ? false
            : throw Error("exchanged with '" + second + "'", first);
    }

    private const int ReadOnly = 0; // O_RDONLY
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint ExchangeFlag = 2; // RENAME_EXCHANGE
    private const int CrossDevice = 18, InvalidArgument = 22, NotImplemented = 38, NotSupported = 95; // EXDEV, EINVAL, ENOSYS, EOPNOTSUPP

    private static IOException Error(string what, string path)
    {
        int number = Marshal.GetLastPInvokeError();
        return new IOException($"'{path}' can't be {what}: {Marshal.GetPInvokeErrorMessage(number)}", number);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int firstFolder, string first, int secondFolder, string second, uint flags);
}

namespace MLNet.Gpt;

/// <summary>Turns the file system's exceptions into this library's own.</summary>
internal static class IOErrors
{
    private const int NoSpace = 28, QuotaExceeded = 122, QuotaExceededOnMac = 69; // ENOSPC, EDQUOT
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027), WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsSharingViolation = unchecked((int)0x80070020), WouldBlock = 11, WouldBlockOnMac = 35; // EAGAIN

    /// <summary>Whether the disk, or the user's share of it, is full.</summary>
    public static bool IsDiskFull(Exception exception) => exception is IOException && (OperatingSystem.IsWindows()
        ? exception.HResult is WindowsHandleDiskFull or WindowsDiskFull
        : exception.HResult is NoSpace || exception.HResult == (OperatingSystem.IsMacOS() ? QuotaExceededOnMac : QuotaExceeded));

    /// <summary>
    /// Whether reserving the room for a new file failed. Outside Windows .NET reports that (no room, or more than the file system's files may have) as an
    /// exception without the system's own number, which all its other I/O exceptions carry.
    /// </summary>
    public static bool IsRoomRefused(Exception exception) => exception is IOException { HResult: unchecked((int)0x80131620) }; // COR_E_IO

    /// <summary>Whether another handle holds the file.</summary>
    public static bool IsHeldByAnother(IOException exception) => OperatingSystem.IsWindows()
        ? exception.HResult == WindowsSharingViolation
        : exception.HResult == (OperatingSystem.IsMacOS() ? WouldBlockOnMac : WouldBlock);

    /// <summary>What to throw for an exception that writing <paramref name="path"/> met.</summary>
    public static GptException OnWriting(Exception exception, string path, string folder) =>
        IsDiskFull(exception) ? new DiskFullException(path, exception) : new FolderNotWritableException(folder, exception);
}

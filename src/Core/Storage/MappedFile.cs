using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace MLNet.Gpt;

/// <summary>A file mapped into memory for reading; every access is checked against its length.</summary>
/// <remarks>
/// Thread-safe; a <see cref="Pin"/> keeps the mapping alive while another thread disposes this object. A file that someone
/// shortens while it is mapped ends the process at the next access to the missing part: this library's own writers never do,
/// they replace files by renaming.
/// </remarks>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly SafeMemoryMappedViewHandle? _handle;
    private readonly byte* _start;
    private bool _disposed;

    private MappedFile(string path, FileStream file)
    {
        Path = path;
        Length = file.Length;
        if (Length == 0) return; // an empty file can't be mapped
        _map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _handle = _view.SafeMemoryMappedViewHandle;
        _handle.AcquirePointer(ref _start);
        _handle.ReleasePointer(); // the mapping lives as long as the handle, so that one that nobody disposed goes when it is collected
    }

    public string Path { get; }

    /// <summary>In bytes.</summary>
    public long Length { get; }

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static MappedFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("Token files and safetensors files are little-endian; this processor is not.");
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        try
        {
            return new(System.IO.Path.GetFullPath(path), file);
        }
        finally
        {
            // The mapping keeps the file; the handle is needed no more, and on Windows would block its replacement longer.
            file.Dispose();
        }
    }

    /// <summary>Keeps the mapping alive until the pin is disposed.</summary>
    public Pin PinDown()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Pin(this);
    }

    /// <summary>Bytes of the file; valid until this object is disposed.</summary>
    public ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check(offset, length);
        return new(_start + offset, length);
    }

    /// <summary>Where bytes of the file lie; valid until this object is disposed.</summary>
    public byte* Address(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check(offset, length);
        return _start + offset;
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _view?.Dispose();
        _map?.Dispose();
    }

    private void Check(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes at {offset} are outside the file's {Length} bytes.");
    }

    public readonly ref struct Pin
    {
        private readonly MappedFile _file;
        private readonly bool _held;

        internal Pin(MappedFile file)
        {
            _file = file;
            file._handle?.DangerousAddRef(ref _held);
        }

        /// <summary>Elements of the file, which need not lie at a multiple of their size.</summary>
        public ReadOnlySpan<T> Span<T>(long offset, int count)
            where T : unmanaged
        {
            _file.Check(offset, (long)count * sizeof(T));
            return new(_file._start + offset, count);
        }

        public void Dispose()
        {
            if (_held) _file._handle!.DangerousRelease();
        }
    }
}

using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>A safetensors file, mapped into memory for reading: named tensors, no code.</summary>
/// <remarks>
/// The rules of the published format are checked when the file is opened: the header's length, its JSON, every dtype, shape and
/// offset; names are unique; the tensors cover the data exactly. Thread-safe.
/// </remarks>
internal sealed class SafeTensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, (SafeTensorInfo Info, long Position)> _tensors;

    private SafeTensorsFile(MappedFile file)
    {
        _file = file;
        SafeTensorsHeader header = SafeTensorsHeader.Read(file);
        Metadata = header.Metadata;
        Tensors = header.Tensors.ConvertAll(static tensor => tensor.Info);
        _tensors = header.Tensors.ToDictionary(static tensor => tensor.Info.Name, StringComparer.Ordinal);
    }

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The file, which the caller disposes.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="CorruptFileException">A rule of the format is broken.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The file's full path.</summary>
    public string Path => _file.Path;

    /// <summary>The header's free-form texts, such as "format" → "pt"; empty where there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors, in the order of their data.</summary>
    public IReadOnlyList<SafeTensorInfo> Tensors { get; }

    /// <summary>Finds a tensor.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <returns>What is known of it, or null where the file has none of that name.</returns>
    public SafeTensorInfo? Find(string name) => _tensors.TryGetValue(name, out var tensor) ? tensor.Info : null;

    /// <summary>Copies a tensor's elements as float32, from F32, F16 and BF16 exactly, from F64 rounded.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="destination">Is filled.</param>
    /// <param name="firstElement">The first element to copy, row-major; 0, the default, with a destination of the tensor's size copies it whole.</param>
    /// <exception cref="ArgumentException">There is no such tensor, or it ends before the destination does.</exception>
    /// <exception cref="TensorMismatchException">Its type is none of these.</exception>
    public void Read(string name, Span<float> destination, long firstElement = 0)
    {
        (SafeTensorInfo info, long position) = Get(name);
        if (!info.Type.IsReadableAsSingle())
            throw new TensorMismatchException(Path, name, "F32, F16, BF16 or F64", info.Type.Name(), "Convert the checkpoint to one of these types.");
        if (firstElement < 0 || firstElement > info.ElementCount - destination.Length)
            throw new ArgumentOutOfRangeException(nameof(firstElement), firstElement, $"Tensor '{name}' has {info.ElementCount} elements; {destination.Length} from {firstElement} on were asked for.");
        using MappedFile.Pin pin = _file.PinDown();
        position += firstElement * info.Type.Size();
        switch (info.Type)
        {
            case SafeTensorType.Float32:
                pin.Span<float>(position, destination.Length).CopyTo(destination);
                break;
            case SafeTensorType.Float16:
                TensorPrimitives.ConvertToSingle(pin.Span<Half>(position, destination.Length), destination);
                break;
            case SafeTensorType.BFloat16:
                // Its bits are the upper half of a float32's.
                Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
                TensorPrimitives.ConvertTruncating(pin.Span<ushort>(position, destination.Length), bits);
                TensorPrimitives.ShiftLeft<uint>(bits, 16, bits);
                break;
            default:
                TensorPrimitives.ConvertTruncating(pin.Span<double>(position, destination.Length), destination);
                break;
        }
    }

    /// <summary>A tensor's bytes as they lie in the file, little-endian, not necessarily at a multiple of the element's size.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="offset">The first byte, counted from the tensor's first.</param>
    /// <param name="length">How many bytes.</param>
    /// <returns>Memory of the mapped file: using it after this object has been disposed, or collected because nothing refers to it any more, is the caller's error and may end the process.</returns>
    /// <exception cref="ArgumentException">There is no such tensor, or it does not have these bytes.</exception>
    public ReadOnlySpan<byte> Bytes(string name, long offset, int length)
    {
        (SafeTensorInfo info, long position) = Get(name);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (offset < 0 || offset > info.ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"Tensor '{name}' has {info.ByteLength} bytes; {length} from {offset} on were asked for.");
        return _file.Bytes(position + offset, length);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private (SafeTensorInfo Info, long Position) Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _tensors.TryGetValue(name, out var tensor) ? tensor : throw new ArgumentException($"'{Path}' has no tensor '{name}'.", nameof(name));
    }
}

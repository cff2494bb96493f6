using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML;

/// <summary>
/// The 256 bytes before a component's own in Model.key, little-endian, as the original writes them; addresses count
/// from the header. Behind the component's bytes come the loader assembly's name in UTF-16 and a tail signature. A
/// table of strings may lie between; this one writes none and skips any.
/// </summary>
internal struct ModelHeader
{
    public const int Size = 256;

    private const ulong Signature = 0x4C45444F4D004C4D;     // "ML\0MODEL"
    private const ulong TailSignature = 0x4D4C004D4F44454C; // "LEDOM\0LM"
    private const uint VersionWritten = 0x00010002;
    private const uint VersionReadable = 0x00010002;

    private ulong _modelSignature;
    private uint _modelWritten;
    private uint _modelReadable;

    public string LoaderSignature { get; private set; }

    public string LoaderSignatureAlt { get; private set; }

    public string LoaderAssemblyName { get; private set; }

    /// <summary>Where the component's bytes end.</summary>
    public long ModelEnd { get; private set; }

    public static ModelHeader For(VersionInfo version)
    {
        foreach (string signature in (string[])[version.LoaderSignature ?? "", version.LoaderSignatureAlt ?? ""])
            Contracts.Check(signature.Length <= 24 && signature.All(c => c <= 0xFF), $"Loader signature '{signature}' isn't at most 24 Latin-1 characters");
        return new()
        {
            _modelSignature = version.ModelSignature,
            _modelWritten = version.VerWrittenCur,
            _modelReadable = version.VerReadableCur,
            LoaderSignature = version.LoaderSignature ?? "",
            LoaderSignatureAlt = version.LoaderSignatureAlt ?? "",
            LoaderAssemblyName = version.LoaderAssemblyName ?? "",
        };
    }

    /// <summary>Writes what follows the component's bytes, which end here, and then the header before them.</summary>
    public readonly void Write(Stream stream)
    {
        long modelEnd = stream.Position;
        byte[] name = Encoding.Unicode.GetBytes(LoaderAssemblyName);
        Span<byte> tail = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(tail, TailSignature);
        stream.Write(name);
        stream.Write(tail);

        Span<byte> header = stackalloc byte[Size];
        header.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, Signature);
        BinaryPrimitives.WriteUInt32LittleEndian(header[0x08..], VersionWritten);
        BinaryPrimitives.WriteUInt32LittleEndian(header[0x0C..], VersionReadable);
        BinaryPrimitives.WriteInt64LittleEndian(header[0x10..], Size);
        BinaryPrimitives.WriteInt64LittleEndian(header[0x18..], modelEnd - Size);
        BinaryPrimitives.WriteUInt64LittleEndian(header[0x40..], _modelSignature);
        BinaryPrimitives.WriteUInt32LittleEndian(header[0x48..], _modelWritten);
        BinaryPrimitives.WriteUInt32LittleEndian(header[0x4C..], _modelReadable);
        Encoding.Latin1.GetBytes(LoaderSignature, header[0x50..]);
        Encoding.Latin1.GetBytes(LoaderSignatureAlt, header[0x68..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[0x80..], modelEnd + name.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header[0x88..], stream.Position);
        BinaryPrimitives.WriteInt64LittleEndian(header[0x90..], name.Length == 0 ? 0 : modelEnd);
        BinaryPrimitives.WriteInt32LittleEndian(header[0x98..], name.Length);
        stream.Position = 0;
        stream.Write(header);
        stream.Position = stream.Length;
    }

    /// <summary>Reads the header and leaves the stream at the component's bytes.</summary>
    public static ModelHeader Read(Stream stream)
    {
        Span<byte> bytes = stackalloc byte[Size];
        Contracts.CheckDecode(stream.ReadAtLeast(bytes, Size, throwOnEndOfStream: false) == Size, "The model file ends in its header");
        Contracts.CheckDecode(BinaryPrimitives.ReadUInt64LittleEndian(bytes) == Signature, "Wrong file type");
        uint written = BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x08..]);
        uint readable = BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x0C..]);
        Contracts.CheckDecode(readable <= written, "Corrupt file header");
        Contracts.CheckDecode(readable <= VersionWritten, "File is too new");
        Contracts.CheckDecode(written >= VersionReadable, "File is too old");
        long modelLength = BinaryPrimitives.ReadInt64LittleEndian(bytes[0x18..]);
        long tail = BinaryPrimitives.ReadInt64LittleEndian(bytes[0x80..]);
        long nameAt = BinaryPrimitives.ReadInt64LittleEndian(bytes[0x90..]);
        uint nameLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x98..]);
        Contracts.CheckDecode(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[0x10..]) == Size
            && modelLength >= 0 && modelLength <= stream.Length - Size
            && tail >= Size + modelLength && tail == stream.Length - 8
            && nameLength % 2 == 0 && (nameAt == 0 ? nameLength == 0 : nameAt >= Size + modelLength && nameAt == tail - nameLength),
            $"The lengths in the model's header don't agree with the file's {stream.Length} bytes");

        byte[] end = new byte[nameLength + 8];
        stream.Position = tail - nameLength;
        stream.ReadExactly(end);
        Contracts.CheckDecode(BinaryPrimitives.ReadUInt64LittleEndian(end.AsSpan((int)nameLength)) == TailSignature, "Corrupt model file tail");
        stream.Position = Size;
        return new()
        {
            _modelSignature = BinaryPrimitives.ReadUInt64LittleEndian(bytes[0x40..]),
            _modelWritten = BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x48..]),
            _modelReadable = BinaryPrimitives.ReadUInt32LittleEndian(bytes[0x4C..]),
            LoaderSignature = Encoding.Latin1.GetString(bytes.Slice(0x50, 24)).TrimEnd('\0'),
            LoaderSignatureAlt = Encoding.Latin1.GetString(bytes.Slice(0x68, 24)).TrimEnd('\0'),
            LoaderAssemblyName = Encoding.Unicode.GetString(end, 0, (int)nameLength),
            ModelEnd = Size + modelLength,
        };
    }

    public readonly void Check(VersionInfo version)
    {
        Contracts.CheckDecode(_modelSignature == version.ModelSignature, "Unknown file type");
        Contracts.CheckDecode(_modelReadable <= _modelWritten, "Corrupt file header");
        Contracts.CheckDecode(_modelReadable <= version.VerWrittenCur,
            $"Component '{version.LoaderSignature}' is too new: it needs version {_modelReadable:x}, and this is {version.VerWrittenCur:x}.");
        Contracts.CheckDecode(_modelWritten >= version.VerWeCanReadBack,
            $"Component '{version.LoaderSignature}' is too old: it has version {_modelWritten:x}, and at least {version.VerWeCanReadBack:x} is needed.");
    }
}

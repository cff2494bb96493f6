namespace MLNet.Gpt;

/// <summary>Writes safetensors files, one tensor at a time, so that the model is never in memory a second time.</summary>
internal static class SafeTensorsWriter
{
    /// <summary>Writes a file, which appears under its name only when it is complete.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">What it will hold. The data's order is the reference implementation's: by type, the largest elements first, then by name.</param>
    /// <param name="writeTensor">Writes one tensor's elements, row-major and little-endian: exactly as many bytes as it has. Called in the order of the data.</param>
    /// <param name="metadata">Free-form texts for the header; null (the default) writes none.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, a name or a shape is not allowed, or the header is larger than 100 MB.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="writeTensor"/> wrote another number of bytes.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void Write(
        string path, IEnumerable<SafeTensorInfo> tensors, Action<SafeTensorInfo, Stream> writeTensor, IReadOnlyDictionary<string, string>? metadata = null)
    {
        List<SafeTensorInfo> ordered = Order(tensors);
        byte[] header = SafeTensorsHeader.Write(ordered, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, ordered, writeTensor), header.Length + ordered.Sum(static tensor => tensor.ByteLength));
    }

    /// <summary>Writes the same to a stream.</summary>
    /// <param name="stream">A writable stream; it stays open.</param>
    /// <param name="tensors">What it will hold.</param>
    /// <param name="writeTensor">Writes one tensor's elements.</param>
    /// <param name="metadata">Free-form texts for the header; null (the default) writes none.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, a name or a shape is not allowed, or the header is larger than 100 MB.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="writeTensor"/> wrote another number of bytes.</exception>
    public static void Write(
        Stream stream, IEnumerable<SafeTensorInfo> tensors, Action<SafeTensorInfo, Stream> writeTensor, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        List<SafeTensorInfo> ordered = Order(tensors);
        Write(stream, SafeTensorsHeader.Write(ordered, metadata), ordered, writeTensor);
    }

    private static List<SafeTensorInfo> Order(IEnumerable<SafeTensorInfo> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        List<SafeTensorInfo> ordered = [.. tensors.OrderByDescending(static tensor => tensor.Type).ThenBy(static tensor => tensor.Name, StringComparer.Ordinal)];
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        foreach (SafeTensorInfo tensor in ordered)
        {
            if (!names.Add(tensor.Name)) throw new ArgumentException($"The name '{tensor.Name}' is reserved, or given to two tensors.", nameof(tensors));
            if (tensor.Shape.Any(static size => size < 0)) throw new ArgumentException($"Tensor '{tensor.Name}' has the shape {tensor}; no dimension may be negative.", nameof(tensors));
        }

        return ordered;
    }

    private static void Write(Stream stream, byte[] header, List<SafeTensorInfo> ordered, Action<SafeTensorInfo, Stream> writeTensor)
    {
        ArgumentNullException.ThrowIfNull(writeTensor);
        stream.Write(header);
        foreach (SafeTensorInfo tensor in ordered)
        {
            using var part = new ExactLengthStream(stream, tensor.ByteLength, tensor.Name);
            writeTensor(tensor, part);
            part.ThrowIfIncomplete();
        }
    }
}

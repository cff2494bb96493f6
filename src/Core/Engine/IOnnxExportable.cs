namespace MLNet.Gpt;

/// <summary>An engine that can write its model as an ONNX package.</summary>
/// <remarks>Both engines of this library do. Several threads may write at once, each into a folder of its own.</remarks>
public interface IOnnxExportable
{
    /// <summary>Writes this model as an ONNX package (graph, weights, configuration; not the tokenizer) into an existing folder.</summary>
    /// <param name="folder">An existing, writable folder. Files of the same names are replaced one by one; for a package that appears whole or not at all use <c>ExportOnnx</c>.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    void WriteOnnxPackage(string folder);
}

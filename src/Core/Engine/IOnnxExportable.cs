namespace MLNet.Gpt;

/// <summary>An engine that can write its model as an ONNX package.</summary>
/// <remarks>Both engines of this library do. Several threads may write at once, each into a folder of its own.</remarks>
public interface IOnnxExportable
{
    /// <summary>Writes this model as an ONNX package (graph, weights, configuration; not the tokenizer) into an existing folder.</summary>
    /// <param name="folder">An existing, writable folder. Files of the same names are replaced one by one; for a package that appears whole or not at all use <c>ExportOnnx</c>.</param>
    /// <param name="options">How; null (the default) for the defaults, or, for a model that is a package already, as it is.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="OnnxExportUnavailableException">The engine can't write its model that way.</exception>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    void WriteOnnxPackage(string folder, OnnxExportOptions? options = null);
}

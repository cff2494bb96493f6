namespace MLNet.Gpt;

/// <summary>An engine whose model is a package on disk.</summary>
internal interface IOnnxPackaged
{
    /// <summary>The package.</summary>
    OnnxPackage Package { get; }

    /// <summary>Writes the adapters that are loaded beside the package into a folder; nothing where it takes none.</summary>
    void WriteAdapters(string folder);
}

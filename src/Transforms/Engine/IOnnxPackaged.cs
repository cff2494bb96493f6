namespace MLNet.Gpt;

/// <summary>An engine whose model is a package on disk.</summary>
internal interface IOnnxPackaged
{
    /// <summary>The package.</summary>
    OnnxPackage Package { get; }
}

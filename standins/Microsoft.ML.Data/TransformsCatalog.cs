namespace Microsoft.ML;

public sealed class TransformsCatalog
{
    internal TransformsCatalog() { }

    public ConversionTransforms Conversion { get; } = new();

    public sealed class ConversionTransforms
    {
        internal ConversionTransforms() { }
    }
}

using Microsoft.ML.Data;

namespace Microsoft.ML;

public static class TextLoaderSaverCatalog
{
    public static IDataView LoadFromTextFile<TInput>(
        this DataOperationsCatalog catalog,
        string path,
        char separatorChar = '\t',
        bool hasHeader = false,
        bool allowQuoting = false,
        bool trimWhitespace = false,
        bool allowSparse = false)
    {
        if (allowSparse)
            throw new NotSupportedException("The stand-in can't read sparse text files.");
        return new TextFile(path, typeof(TInput), new(separatorChar, hasHeader, allowQuoting, trimWhitespace));
    }
}

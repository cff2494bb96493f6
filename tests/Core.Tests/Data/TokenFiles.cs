using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Data;

/// <summary>Small token files for tests.</summary>
internal static class TokenFiles
{
    /// <summary>Any SHA-256.</summary>
    public const string Hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    /// <summary>Writes documents and opens the file.</summary>
    public static TokenFile Write(string path, int vocabularySize, int endOfTextId, params int[][] documents)
    {
        using (var writer = new TokenFileWriter(path, vocabularySize, endOfTextId, Hash))
        {
            foreach (int[] document in documents) writer.Append(document);
            writer.Complete();
        }

        return TokenFile.Open(path);
    }

    /// <summary>One document of the tokens 0, 1, … and an end-of-text id: <paramref name="tokenCount"/> in all.</summary>
    public static TokenFile Counting(TemporaryFolder folder, int tokenCount) =>
        Write(folder[$"{tokenCount}.tokens"], tokenCount, tokenCount - 1, [.. Enumerable.Range(0, tokenCount - 1)]);
}

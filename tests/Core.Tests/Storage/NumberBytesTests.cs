using System.Security.Cryptography;

namespace MLNet.Gpt.Core.Tests.Storage;

[TestClass]
public sealed class NumberBytesTests
{
    // One piece has 2^16 numbers. That more bytes than 2^31 - 1 pass takes gigabytes to see, and is what the pieces are for.
    [TestMethod]
    [DataRow(0)]
    [DataRow(65_536)]
    [DataRow(200_001)]
    public void Numbers_are_written_and_hashed_as_their_bytes(int count)
    {
        long[] numbers = [.. Enumerable.Range(0, count).Select(static i => (long)i << 33)];
        byte[] expected = [.. numbers.SelectMany(BitConverter.GetBytes)];
        using var stream = new MemoryStream();
        NumberBytes.Write<long>(stream, numbers);
        CollectionAssert.AreEqual(expected, stream.ToArray());
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        NumberBytes.AppendTo<long>(hash, numbers);
        CollectionAssert.AreEqual(SHA256.HashData(expected), hash.GetHashAndReset());
    }
}

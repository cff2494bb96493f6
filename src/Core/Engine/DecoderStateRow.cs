using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>A row of a saved state.</summary>
/// <param name="Padding">The places on the left that are no tokens.</param>
/// <param name="Adapter">SHA-256 of the adapter that the row is computed with, 32 bytes; all zero for none.</param>
internal readonly record struct DecoderStateRow(int Padding, byte[] Adapter)
{
    /// <summary>Stands for no adapter.</summary>
    public static byte[] NoAdapter { get; } = new byte[SHA256.HashSizeInBytes];
}

namespace MLNet.Gpt;

/// <summary>The bytes that a token stands for in UTF-8 text; a token may hold a part of a character.</summary>
/// <param name="tokenId">A token id of the vocabulary.</param>
/// <returns>The token's bytes. They must stay valid until the next call from the same thread.</returns>
/// <remarks>Called from the thread that generates.</remarks>
internal delegate ReadOnlySpan<byte> TokenBytes(int tokenId);

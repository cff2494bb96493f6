namespace MLNet.Gpt;

/// <summary>Gives the positions of one head of a decoder's keys or values.</summary>
/// <param name="tensor">0 to 2 L - 1: layer 0's keys, its values, layer 1's keys, …</param>
/// <param name="row">The row.</param>
/// <param name="head">The head.</param>
/// <param name="block">Receives (P, D), as bytes.</param>
internal delegate void DecoderStateBlock(int tensor, int row, int head, Span<byte> block);

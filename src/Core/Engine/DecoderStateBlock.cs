namespace MLNet.Gpt;

/// <summary>Gives the positions of one row of a decoder's keys or values.</summary>
/// <param name="tensor">0 to 2 L - 1: layer 0's keys, its values, layer 1's keys, …</param>
/// <param name="row">The row.</param>
/// <param name="block">Receives (H, P, D), as bytes.</param>
internal delegate void DecoderStateBlock(int tensor, int row, Span<byte> block);

namespace MLNet.Gpt;

/// <summary>A matrix (N, K) in blocks of codes along K, laid out as ONNX Runtime's MatMulNBits and GatherBlockQuantized want it: number = (code − zero point) · scale.</summary>
/// <param name="Codes">(N, ⌈K / block⌉, block · bits / 8) bytes; of two 4-bit codes in a byte, the first is the low half.</param>
/// <param name="Scales">(N, ⌈K / block⌉).</param>
/// <param name="ZeroPoints">(N, ⌈⌈K / block⌉ · bits / 8⌉) bytes; null where every block's is half the number of codes.</param>
internal sealed record QuantizedMatrix(byte[] Codes, float[] Scales, byte[]? ZeroPoints);

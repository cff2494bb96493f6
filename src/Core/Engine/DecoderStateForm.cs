namespace MLNet.Gpt;

/// <summary>What a saved state and the model that takes it up must have in common.</summary>
/// <param name="Numbers">The numbers of keys and values: float32, float16 or bfloat16.</param>
/// <param name="Layers">L.</param>
/// <param name="Heads">H: the heads of keys and values.</param>
/// <param name="HeadSize">D.</param>
/// <param name="Fingerprint">SHA-256 of the model, 32 bytes.</param>
internal sealed record DecoderStateForm(WeightFormat Numbers, int Layers, int Heads, int HeadSize, byte[] Fingerprint)
{
    /// <summary>2 L: each layer's keys and its values.</summary>
    public int TensorCount => 2 * Layers;

    /// <summary>The bytes of one position of one head.</summary>
    public int PositionBytes => HeadSize * (Numbers == WeightFormat.Float32 ? sizeof(float) : sizeof(ushort));
}

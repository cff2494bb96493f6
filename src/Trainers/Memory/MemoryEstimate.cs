namespace MLNet.Gpt;

/// <summary>What training needs, counted from the shape of the model.</summary>
/// <param name="ParameterBytes">Weights, gradients, moments, the average where there is one, and the bfloat16 copies.</param>
/// <param name="ActivationBytes">What the forward pass of one micro-batch keeps for the backward pass, and the largest temporary tensors beside it.</param>
internal readonly record struct MemoryEstimate(long ParameterBytes, long ActivationBytes)
{
    /// <summary>Logits that the loss forms at once, with their softmax and its gradient.</summary>
    private const long LogitBytes = 3L * (64 << 20);

    /// <summary>Counts.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="precision">Float32 or BFloat16.</param>
    /// <param name="device">On a CPU attention in bfloat16 or with dropout keeps its probabilities, (B, H, T, T); otherwise it does not.</param>
    /// <param name="rows">Rows of the micro-batch.</param>
    /// <param name="sequenceLength">T.</param>
    /// <param name="averaged">Whether the weights are averaged.</param>
    /// <param name="checkpointed">Whether blocks are computed again in the backward pass.</param>
    public static MemoryEstimate Of(GptConfig config, GptPrecision precision, GptDevice device, int rows, int sequenceLength, bool averaged, bool checkpointed)
    {
        long n = config.ParameterCount, c = config.EmbeddingSize, f = config.InnerSize, t = sequenceLength, tokens = (long)rows * t;
        bool narrow = precision == GptPrecision.BFloat16;
        long width = narrow ? 2 : 4;
        long parameters = n * ((4 * 4) + (narrow ? 2 + (device.IsCuda ? 2 : 0) : 0) + (averaged ? 4 : 0));

        // A layer keeps, of each token: the residual stream before both norms (float32) and their outputs; q, k and v as computed and as attention
        // takes them; attention's output; the feed-forward's two inner states.
        long attention = device.IsCuda || (!narrow && config.AttentionDropout == 0) ? 0 : config.HeadCount * t;
        long dropout = config.ResidualDropout > 0 ? 2 * c * (4 + 1) : 0;
        long attentionDropout = !device.IsCuda && config.AttentionDropout > 0 ? attention * (width + 1) : 0;
        long layer = (2 * 4 * c) + (width * ((2 * c) + (6 * c) + (2 * c) + (2 * f) + attention)) + dropout + attentionDropout;
        long kept = checkpointed ? (config.LayerCount * 4 * c) + layer : config.LayerCount * layer;

        // In the backward pass the largest temporaries are one layer's.
        long temporary = (4 * 4 * f) + (3 * 4 * attention) + (6 * 4 * c);
        long logits = Math.Min(LogitBytes, 3 * 4 * tokens * config.VocabularySize);
        return new(parameters, (tokens * (kept + temporary + (4 * 4 * c))) + logits);
    }
}

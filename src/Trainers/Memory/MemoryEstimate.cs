namespace MLNet.Gpt;

/// <summary>What training needs, counted from the shape of the model.</summary>
/// <param name="ParameterBytes">Weights, gradients, moments, the average where there is one, and the bfloat16 copies.</param>
/// <param name="ActivationBytes">What the forward pass of one micro-batch keeps for the backward pass, and the largest temporary tensors beside it. The C heap's holes are
/// not in it: glibc 2.36 can't use a freed block again for a tensor of the same size until its neighbours are free, which has nearly doubled what a process grows by where much is freed
/// on the way (activation checkpointing).</param>
internal readonly record struct MemoryEstimate(long ParameterBytes, long ActivationBytes)
{
    /// <summary>Logits that the loss forms at once, with their softmax and its gradient.</summary>
    private const long LogitBytes = 3L * (64 << 20);

    /// <summary>Counts.</summary>
    /// <param name="training">What is trained, in what format, where.</param>
    /// <param name="rows">Rows of the micro-batch.</param>
    /// <param name="sequenceLength">T.</param>
    public static MemoryEstimate Of(TrainingMemory training, int rows, int sequenceLength)
    {
        GptConfig config = training.Config;
        long n = config.ParameterCount, c = config.EmbeddingSize, f = config.InnerSize, t = sequenceLength, tokens = (long)rows * t;
        bool narrow = training.Precision == GptPrecision.BFloat16;
        long width = narrow ? 2 : 4;

        // Float32 weights, gradient and two moments; the working copy and its gradient; the average.
        long copies = narrow ? 2 : 0, trained = (4 * 4) + (training.Averaged ? 4 : 0);
        long parameters = (n * (training.Frozen ? 4 + copies : trained + (2 * copies))) + (training.OtherParameters * trained);

        // A layer keeps, of each token: the residual stream before both norms (float32); q, k and v; attention's output; the feed-forward's inner state before
        // GELU; for trained projections what goes into the others, the norms' outputs and the inner state behind GELU; what dropout drew (in the working type on a
        // CPU, a byte each on a GPU).
        long drawn = training.Device.IsCuda ? 1 : width;
        long kept = (2 * 4 * c) + (width * ((3 * c) + c + f + (training.ProjectionsTrained ? (2 * c) + f : 0))) + (training.Dropout.Residual > 0 ? 2 * c * drawn : 0);

        // Fused attention keeps a logarithm for each head. Dropout of the probabilities has no fused form on a CPU: (B, H, T, T) float32 before and behind it,
        // what it drew, and scaled copies of q and k. Attention in blocks keeps the probabilities of what its queries see, and its output in a second order.
        bool cpu = !training.Device.IsCuda, inBlocks = cpu && narrow && ProcessorFeatures.Current.HasBFloat16Products && training.Dropout.Attention == 0;
        long probabilities = cpu && training.Dropout.Attention > 0 ? config.HeadCount * t : 0;
        kept += (4 * config.HeadCount) + (probabilities > 0 ? (probabilities * (4 + 4 + 1)) + (2 * 4 * c) : 0);
        long[] seen = [.. Enumerable.Range(0, config.LayerCount).Select(layer => config.BandWidthOfLayer(layer)).Select(band =>
            inBlocks && !AttentionKernel.Takes(t, config.HeadSize, band) ? width * ((tokens * c) + ((long)rows * config.HeadCount * CausalAttentionFunction.KeptProbabilities(t, band))) : 0)];
        long all = training.Checkpointed ? (tokens * ((config.LayerCount * 4 * c) + kept)) + seen.Max() : (tokens * config.LayerCount * kept) + seen.Sum();

        // In the backward pass the largest temporaries are one layer's: the gradient of the inner state, and what is of the residual stream's size.
        long temporary = (width * f) + (3 * 4 * probabilities) + (6 * 4 * c);

        // Without a backward pass there are one layer's tensors and the embeddings; what bfloat16 saves of them goes into casts.
        if (training.ForwardOnly) return new(parameters, tokens * 4 * ((16 * c) + (2 * f)));
        long logits = Math.Min(LogitBytes, 3 * 4 * tokens * config.VocabularySize);
        return new(parameters, all + (tokens * (temporary + (4 * 4 * c))) + logits);
    }
}

namespace MLNet.Gpt;

/// <summary>A sequence's vector.</summary>
/// <param name="Vector">C numbers, C being the model's <see cref="GptConfig.EmbeddingSize"/>.</param>
/// <param name="TokenCount">The tokens that the vector is made of: at least 1, since an empty sequence stands for the end-of-text token.</param>
/// <param name="DroppedTokenCount">The tokens that did not fit the context and were cut off.</param>
public sealed record SequenceEmbedding(float[] Vector, int TokenCount, int DroppedTokenCount);

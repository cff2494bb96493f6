namespace MLNet.Gpt;

/// <summary>What a head over the trunk of a package gives.</summary>
public enum OnnxHeadKind
{
    /// <summary>(B, K) float32: the outputs of a task's head for each row, without softmax.</summary>
    Classifier,

    /// <summary>(B, 1) float32: a reward for each row.</summary>
    Reward,

    /// <summary>(B, T) float32: a value for each token.</summary>
    Value,

    /// <summary>(B, C) float32: each row's pooled hidden states.</summary>
    Embedding,
}

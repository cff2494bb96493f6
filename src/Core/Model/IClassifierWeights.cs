namespace MLNet.Gpt;

/// <summary>
/// The weights of a GPT with a task head: <see cref="IGptWeights.Read"/> knows "special_tokens.weight", the embeddings of Start, Delimiter and Extract (3, C), "head.weight" (K, C) and
/// "head.bias" (K) too. C: the width; K: the head's outputs.
/// </summary>
public interface IClassifierWeights : IGptWeights
{
    /// <summary>The head.</summary>
    ClassifierHead Head { get; }
}

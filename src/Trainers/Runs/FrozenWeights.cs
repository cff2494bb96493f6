namespace MLNet.Gpt;

/// <summary>Which weights a trainer of a head leaves as they are. Models whose pretrained weights stayed as they are share one copy of them, in memory and in a package.</summary>
public enum FrozenWeights
{
    /// <summary>None: all weights are trained.</summary>
    None,

    /// <summary>
    /// The pretrained ones: the head is trained, and the embeddings of its own tokens. These stand before the network, so that the backward pass goes through it, to no weight of it. A head without tokens of its own (a
    /// reward model's that reads at the last token) is trained as with <see cref="AllButHead"/>.
    /// </summary>
    Pretrained,

    /// <summary>
    /// All but the head's linear map (a linear probe): its tokens keep the embeddings that were drawn for them. The network is computed forward alone, with no more memory than in use.
    /// </summary>
    AllButHead,
}

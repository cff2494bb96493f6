namespace MLNet.Gpt;

/// <summary>A head that a package has beside its language model's, over the same trunk (<see cref="OnnxExportOptions.Heads"/>). Its output in the graph is <c>heads.NAME</c>.</summary>
/// <remarks>Immutable. The weights that it names are read when the package is written.</remarks>
public sealed class OnnxHead
{
    private OnnxHead(PackageHead form, IGptWeights? weights) => (Form, Weights) = (form, weights);

    /// <summary>The head's name.</summary>
    public string Name => Form.Name;

    /// <summary>What it gives.</summary>
    public OnnxHeadKind Kind => Form.Kind;

    /// <summary>The head as a package's configuration describes it; its first token's id is not known yet.</summary>
    internal PackageHead Form { get; }

    /// <summary>The model that the head was trained with; null where it has no weights.</summary>
    internal IGptWeights? Weights { get; }

    /// <summary>A task's head.</summary>
    /// <param name="name">1 to 64 letters, digits, '-' or '_'.</param>
    /// <param name="weights">The model with its head; its network's weights are those of the package.</param>
    /// <exception cref="ArgumentException">The name is no such name, or the head is not valid.</exception>
    public static OnnxHead Classifier(string name, IClassifierWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return new(new PackageHead(Named(name), OnnxHeadKind.Classifier) { Classifier = weights.Head.Validate() }, weights);
    }

    /// <summary>A reward model's head.</summary>
    /// <param name="name">1 to 64 letters, digits, '-' or '_'.</param>
    /// <param name="weights">The model with its head; its network's weights are those of the package.</param>
    /// <exception cref="ArgumentException">The name is no such name, or the head is not valid.</exception>
    public static OnnxHead Reward(string name, IRewardWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return new(new PackageHead(Named(name), OnnxHeadKind.Reward) { Reward = weights.Head.Validate() }, weights);
    }

    /// <summary>A head of the same form that is read at every token: a value model's.</summary>
    /// <param name="name">1 to 64 letters, digits, '-' or '_'.</param>
    /// <param name="weights">The model with its head; its network's weights are those of the package.</param>
    /// <exception cref="ArgumentException">The name is no such name, or the head is not valid or adds a token to the vocabulary.</exception>
    public static OnnxHead Value(string name, IRewardWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (weights.Head.Validate().AddedTokenCount > 0)
            throw new ArgumentException($"The head reads at a token of its own ({nameof(RewardReadout)}.{nameof(RewardReadout.ReadoutToken)}), and a value is read at every token; train it with {nameof(RewardReadout.LastToken)}.", nameof(weights));
        return new(new PackageHead(Named(name), OnnxHeadKind.Value), weights);
    }

    /// <summary>The last hidden states of a row's tokens as one vector. It has no weights of its own.</summary>
    /// <param name="name">1 to 64 letters, digits, '-' or '_'.</param>
    /// <param name="pooling">How they become one.</param>
    /// <param name="normalize">Whether it is scaled to length 1. Default true.</param>
    /// <exception cref="ArgumentException">The name is no such name, or the pooling is none.</exception>
    public static OnnxHead Embedding(string name, EmbeddingPooling pooling = EmbeddingPooling.Mean, bool normalize = true)
    {
        if (!Enum.IsDefined(pooling)) throw new ArgumentOutOfRangeException(nameof(pooling), pooling, $"The pooling is {pooling}; it must be {EmbeddingPooling.LastToken} or {EmbeddingPooling.Mean}.");
        return new(new PackageHead(Named(name), OnnxHeadKind.Embedding) { Pooling = pooling, Normalize = normalize }, weights: null);
    }

    /// <summary>The heads as a package's configuration describes them: the tokens that they add stand behind the vocabulary, one head's behind the other's.</summary>
    internal static IReadOnlyList<PackageHead> FormsOf(IReadOnlyList<OnnxHead> heads, GptConfig config)
    {
        int next = config.VocabularySize;
        var forms = new PackageHead[heads.Count];
        for (int i = 0; i < forms.Length; i++)
        {
            forms[i] = heads[i].Form with { FirstTokenId = next };
            next += forms[i].AddedTokenCount;
        }

        return forms;
    }

    private static string Named(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return OnnxPackageLayout.IsPlainName(name) ? name : throw new ArgumentException($"'{name}' is no head's name; use 1 to 64 letters, digits, '-' or '_'.", nameof(name));
    }
}

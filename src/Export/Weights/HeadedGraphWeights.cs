using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>The weights of a trunk and of the heads over it, as the graph names and shapes them: the tokens that heads add are a table of their own.</summary>
internal sealed class HeadedGraphWeights : IGptWeights
{
    /// <summary>(n, C): the embeddings of the tokens that the heads add, in the order of their ids.</summary>
    public const string Tokens = "heads_tokens.weight";

    private readonly IGptWeights _trunk;
    private readonly Dictionary<string, (OnnxHead Head, string Source)> _parts = new(StringComparer.Ordinal);
    private readonly OnnxHead[] _adding;

    /// <param name="trunk">The language model's weights.</param>
    /// <param name="heads">Heads over the same weights (<see cref="SharedTrunk"/>).</param>
    public HeadedGraphWeights(IGptWeights trunk, IReadOnlyList<OnnxHead> heads)
    {
        _trunk = trunk;
        _adding = [.. heads.Where(static head => head.Form.AddedTokenCount > 0)];
        foreach (OnnxHead head in heads.Where(static head => head.Weights is not null))
        {
            (string weight, string bias) = head.Kind == OnnxHeadKind.Classifier
                ? (ClassifierParameterLayout.HeadWeight, ClassifierParameterLayout.HeadBias)
                : (RewardParameterLayout.HeadWeight, RewardParameterLayout.HeadBias);
            _parts.Add(WeightOf(head.Form), (head, weight));
            _parts.Add(BiasOf(head.Form), (head, bias));
        }
    }

    public GptConfig Config => _trunk.Config;

    public static string WeightOf(PackageHead head) => head.Output + ".weight";

    public static string BiasOf(PackageHead head) => head.Output + ".bias";

    /// <summary>The parameters that heads add.</summary>
    public static IEnumerable<GptParameterInfo> LayoutOf(GptConfig config, IReadOnlyList<PackageHead> heads)
    {
        int added = heads.Sum(static head => head.AddedTokenCount), c = config.EmbeddingSize;
        if (added > 0) yield return new(Tokens, [added, c], GptParameterRole.TaskTokenEmbedding);
        foreach (PackageHead head in heads.Where(static head => head.Kind != OnnxHeadKind.Embedding))
        {
            int outputs = head.OutputsOf(1, config);
            yield return new(WeightOf(head), head.Kind == OnnxHeadKind.Value ? [c, 1] : [outputs, c], GptParameterRole.HeadWeight);
            yield return new(BiasOf(head), [outputs], GptParameterRole.HeadBias);
        }
    }

    public void Read(string name, Span<float> destination)
    {
        if (name == Tokens)
        {
            foreach (OnnxHead head in _adding)
            {
                int count = head.Form.AddedTokenCount * Config.EmbeddingSize;
                head.Weights!.Read(head.Kind == OnnxHeadKind.Classifier ? ClassifierParameterLayout.SpecialTokens : RewardParameterLayout.ReadoutToken, destination[..count]);
                destination = destination[count..];
            }
        }
        else if (_parts.TryGetValue(name, out (OnnxHead Head, string Source) part))
        {
            part.Head.Weights!.Read(part.Source, destination);

            // Rows that belong together are added behind the head, so that each brings its share of the bias.
            if (name == BiasOf(part.Head.Form))
                TensorPrimitives.Divide(destination, (float)part.Head.Form.SequencesPerOutput, destination);
        }
        else
        {
            _trunk.Read(name, destination);
        }
    }
}

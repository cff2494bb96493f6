using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Some pairs side by side: a row for each response, the chosen ones first. P: pairs; R = 2P rows; n: tokens of all responses; W: tokens of the longest.</summary>
internal sealed class PreferenceBatch
{
    private readonly SupervisedBatch _rows;
    private readonly long[] _places;
    private readonly float[] _mask, _reference;

    /// <summary>Lays out pairs.</summary>
    /// <param name="pairs">One or more.</param>
    public PreferenceBatch(IReadOnlyList<PreferencePair> pairs)
    {
        SupervisedExample[] examples = [.. pairs.Select(static pair => pair.Chosen), .. pairs.Select(static pair => pair.Rejected)];
        _rows = SupervisedBatch.InOrder(examples);
        _reference = [.. pairs.Select(static pair => (float)pair.Reference.Chosen), .. pairs.Select(static pair => (float)pair.Reference.Rejected)];
        int width = examples.Max(static example => example.TargetCount), at = 0;
        _places = new long[examples.Length * width];
        _mask = new float[_places.Length];
        for (int row = 0; row < examples.Length; row++)
        {
            for (int i = 0; i < examples[row].TargetCount; i++, at++) (_places[(row * width) + i], _mask[(row * width) + i]) = (at, 1);
        }
    }

    /// <summary>R.</summary>
    public int RowCount => _rows.RowCount;

    /// <summary>T: the longest row.</summary>
    public int Length => _rows.Length;

    /// <summary>The hidden states before each response's tokens, and the tokens.</summary>
    /// <returns>(n, C) with its autograd graph, and (n) int64.</returns>
    public (Tensor Hidden, Tensor Targets) Run(GptNetwork network) => _rows.Run(network);

    /// <summary>The responses' log-likelihoods from their tokens'.</summary>
    /// <param name="tokens">(n) float32.</param>
    /// <param name="lengthNormalized">Whether they are means.</param>
    /// <returns>(R) float32.</returns>
    public Tensor LogLikelihoods(Tensor tokens, bool lengthNormalized)
    {
        using var scope = NewDisposeScope();
        Tensor each = tokens.index_select(0, HostCopy.To(tokens.device, _places)).view(RowCount, -1);       // (R, W)
        return PreferenceLoss.LogLikelihood(each, HostCopy.To(tokens.device, _mask).view(RowCount, -1), lengthNormalized).MoveToOuterDisposeScope();
    }

    /// <summary>log π − log π_ref of each response.</summary>
    /// <param name="likelihoods">(R).</param>
    /// <returns>(R).</returns>
    public Tensor LogRatios(Tensor likelihoods) => likelihoods - HostCopy.To(likelihoods.device, _reference);
}

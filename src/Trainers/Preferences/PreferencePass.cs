using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A policy's log-likelihoods of pairs, and the loss that is made of them. P pairs; R = 2P responses, the chosen ones first.</summary>
internal static class PreferencePass
{
    /// <summary>Forward and backward of some pairs: the gradient of their share of the loss is accumulated into the network's.</summary>
    /// <param name="network">The policy.</param>
    /// <param name="pairs">The pairs, with their reference.</param>
    /// <param name="pairsOfUpdate">The pairs of the whole update, whose mean is the loss.</param>
    /// <param name="options">The objective.</param>
    /// <returns>Without gradients: the loss, a scalar, as its share of the update's; log π (R); log π − log π_ref (R).</returns>
    public static (Tensor Loss, Tensor Likelihoods, Tensor Ratios) Backward(GptNetwork network, IReadOnlyList<PreferencePair> pairs, int pairsOfUpdate, DirectPreferenceOptions options)
    {
        using var scope = NewDisposeScope();
        var batch = new PreferenceBatch(pairs);

        // 1. The log-probability of each response's tokens: its graph ends here, since what follows them is small.
        (Tensor hidden, Tensor targets) = batch.Run(network);                                              // (n, C), (n)
        Tensor tokens = TokenLogProbabilities.Of(hidden.detach(), network.TokenEmbedding.detach(), targets).requires_grad_();   // (n)

        // 2. Their sums, the distance from the reference's, and the loss; ∂loss/∂log p of each token.
        Tensor likelihoods = batch.LogLikelihoods(tokens, options.LengthNormalized), ratios = batch.LogRatios(likelihoods);     // (R), (R)
        Tensor loss = Each(ratios, options).sum().Over(pairsOfUpdate);
        loss.backward();

        // 3. From there through the head and the network: the loss is a weighted negative log-likelihood to first order.
        LanguageModelPass.Backward(network, hidden, targets, scale: 1, weights: tokens.grad!.neg());
        return (loss.detach().MoveToOuterDisposeScope(), likelihoods.detach().MoveToOuterDisposeScope(), ratios.detach().MoveToOuterDisposeScope());
    }

    /// <summary>Each pair's loss.</summary>
    /// <param name="ratios">(R): log π − log π_ref.</param>
    /// <param name="options">The objective.</param>
    /// <returns>(P).</returns>
    public static Tensor Each(Tensor ratios, DirectPreferenceOptions options)
    {
        using var scope = NewDisposeScope();
        Tensor[] sides = ratios.chunk(2);                                                                  // (P), (P)
        Tensor h = sides[0] - sides[1];
        return (options.Objective switch
        {
            PreferenceObjective.Identity => PreferenceLoss.Identity(h, options.Beta),
            PreferenceObjective.Hinge => PreferenceLoss.Hinge(h, options.Beta),
            _ => PreferenceLoss.Sigmoid(h, options.Beta, options.LabelSmoothing),
        }).MoveToOuterDisposeScope();
    }

    /// <summary>The log-likelihoods of all pairs, dropout off.</summary>
    /// <param name="network">The policy; its training mode is restored.</param>
    /// <param name="pairs">The pairs.</param>
    /// <param name="pairsAtOnce">Pairs computed at once.</param>
    /// <param name="lengthNormalized">Whether they are means over a response's tokens.</param>
    /// <param name="cancellation">Ends the computation with an <see cref="OperationCanceledException"/>.</param>
    public static PairLikelihoods[] Likelihoods(GptNetwork network, IReadOnlyList<PreferencePair> pairs, int pairsAtOnce, bool lengthNormalized, CancellationToken cancellation)
    {
        bool training = network.Training;
        network.Training = false;
        try
        {
            using var noGradient = no_grad();
            var all = new PairLikelihoods[pairs.Count];
            foreach (int[] chunk in Enumerable.Range(0, pairs.Count).OrderByDescending(i => pairs[i].Length).Chunk(pairsAtOnce))
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var batch = new PreferenceBatch([.. chunk.Select(i => pairs[i])]);
                (Tensor hidden, Tensor targets) = batch.Run(network);                                      // (n, C), (n)
                var values = new float[batch.RowCount];
                batch.LogLikelihoods(TokenLogProbabilities.Of(hidden, network.TokenEmbedding, targets), lengthNormalized).CopyFloatsTo(values);   // sync: reads the likelihoods
                for (int k = 0; k < chunk.Length; k++) all[chunk[k]] = new(values[k], values[chunk.Length + k]);
            }

            return all;
        }
        finally
        {
            network.Training = training;
        }
    }
}

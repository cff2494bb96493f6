using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// log p(target | context) of each token, through the output head: differentiable in the hidden states and in the head, and never with the logits
/// of all tokens in memory. What a policy, a preference loss or a score is made of; the loss of a given set of weights is cheaper by
/// <see cref="LanguageModelLoss"/>, which need not compute the logits twice.
/// </summary>
/// <remarks>
/// <para>
/// Symbols: N tokens, C channels, V vocabulary, n tokens of a chunk, z = h·Wᵀ the logits. The logits, of which there are N·V, are computed n rows at a
/// time: once for log p = z_target − log Σ exp z, and, since nothing of them is kept, once more in the backward pass, where
/// ∂log p/∂z = onehot(target) − softmax(z).
/// </para>
/// <para>
/// A backward pass from whatever is made of it goes by <see cref="BackwardPass.Run"/>, as through all functions that are written in managed code; <c>backward()</c> alone
/// would not throw what goes wrong. Under <c>no_grad</c> nothing is kept. May be called from several threads.
/// </para>
/// </remarks>
internal sealed class TokenLogProbabilities : autograd.SingleTensorFunction<TokenLogProbabilities>
{
    public override string Name => nameof(TokenLogProbabilities);

    /// <summary>The log-probability of each target.</summary>
    /// <param name="hidden">(N, C), float32 or the head's type: the last hidden states, at the positions whose next tokens are meant.</param>
    /// <param name="head">(V, C), float32 or bfloat16, which the products are computed in: <see cref="GptNetwork.TokenEmbedding"/>. It gets a gradient if it requires one.</param>
    /// <param name="targets">(N) int64: the tokens that follow, each in [0, V).</param>
    /// <param name="chunkElements">The most logits held at once, at least a row's; null for <see cref="HeadChunks.Elements"/>.</param>
    /// <returns>(N) float32: nats, at most 0. Belongs to the caller's dispose scope.</returns>
    public static Tensor Of(Tensor hidden, Tensor head, Tensor targets, long? chunkElements = null) => apply(hidden, head, targets, new Settings(
        chunkElements ?? HeadChunks.Elements, is_grad_enabled() && hidden.requires_grad, is_grad_enabled() && head.requires_grad));

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = (Tensor)vars[0], head = (Tensor)vars[1], targets = (Tensor)vars[2];
        var settings = (Settings)vars[3];
        Tensor states = hidden.detach().to(head.dtype), columns = head.detach().t();                       // (N, C), (C, V)
        Tensor result = empty(hidden.size(0), ScalarType.Float32, hidden.device);          // (N)
        foreach ((long start, long count) in HeadChunks.Of(hidden.size(0), head.size(0), settings.ChunkElements))
        {
            using var chunk = NewDisposeScope();
            Tensor logits = MatrixProduct.Of(states.narrow(0, start, count), columns).to(ScalarType.Float32);             // (n, V)
            result.narrow(0, start, count).copy_(CrossEntropy.LogProbabilities(logits, targets.narrow(0, start, count)));
        }

        if (settings.Hidden || settings.Head) ctx.save_for_backward([hidden, head, targets]);
        ctx.save_data(nameof(Settings), settings);
        return result.MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 4, () =>
    {
        var settings = (Settings)ctx.get_data(nameof(Settings));
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor hidden = saved[0].detach(), head = saved[1].detach(), targets = saved[2];
        Tensor states = hidden.to(head.dtype);                                                             // (N, C)
        Tensor? hiddenGradient = settings.Hidden ? empty_like(states) : null, headGradient = settings.Head ? zeros_like(head, ScalarType.Float32) : null;   // (N, C), (V, C)
        HeadGradientSum? sumOfChunks = headGradient is null ? null : new(headGradient, head.dtype);
        foreach ((long start, long count) in HeadChunks.Of(hidden.size(0), head.size(0), settings.ChunkElements))
        {
            using var chunk = NewDisposeScope();
            Tensor h = states.narrow(0, start, count);                                                     // (n, C)
            Tensor logits = MatrixProduct.Of(h, head.t()).to(ScalarType.Float32);                          // (n, V)
            Tensor upstream = grad_output.narrow(0, start, count).to(ScalarType.Float32);                  // (n)
            Tensor logitGradient = CrossEntropy.WithGradient(logits, targets.narrow(0, start, count), upstream.neg()).Gradient.to(head.dtype);
            hiddenGradient?.narrow(0, start, count).copy_(MatrixProduct.Of(logitGradient, head));
            sumOfChunks?.Add(logitGradient, h);
        }

        sumOfChunks?.Complete();
        return [hiddenGradient?.to(hidden.dtype), headGradient?.to(head.dtype)];
    });

    /// <param name="ChunkElements">The most logits at once.</param>
    /// <param name="Hidden">Whether the hidden states' gradient is wanted.</param>
    /// <param name="Head">Whether the head's is.</param>
    private sealed record Settings(long ChunkElements, bool Hidden, bool Head);
}

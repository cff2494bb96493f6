using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A language-model loss with its gradient.</summary>
/// <param name="Sum">The weighted but unscaled sum of the negative log-likelihoods, a float32 scalar, in nats.</param>
/// <param name="Hidden">(N, C), of the hidden states' type: scale·∂sum/∂hidden.</param>
internal sealed record LanguageModelLossGradient(Tensor Sum, Tensor Hidden);

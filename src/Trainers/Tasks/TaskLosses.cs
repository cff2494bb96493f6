using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The losses of a micro-batch: scalars without gradients, unscaled.</summary>
/// <param name="Task">The summed task loss.</param>
/// <param name="Auxiliary">The rows' summed mean language-model losses; 0 where left out.</param>
internal sealed record TaskLosses(Tensor Task, Tensor Auxiliary);

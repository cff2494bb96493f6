using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The value function's clipped loss: a pure function. B rows, T tokens.</summary>
internal static class ValueLoss
{
    /// <summary>½·Σ w·max((V − R)², (clip(V, V_old − ε, V_old + ε) − R)²) (Huang et al. 2022, detail 9, as OpenAI's implementation of PPO has it).</summary>
    /// <param name="values">(B, T) float32: V, with gradients.</param>
    /// <param name="oldValues">(B, T) float32: V_old, those of the rollout.</param>
    /// <param name="returns">(B, T) float32: R.</param>
    /// <param name="weights">(B, T) float32: w.</param>
    /// <param name="clipRange">ε, above 0.</param>
    public static ValueLossResult Clipped(Tensor values, Tensor oldValues, Tensor returns, Tensor weights, double clipRange)
    {
        using var scope = NewDisposeScope();
        Tensor near = maximum(minimum(values, oldValues.Plus(clipRange)), oldValues.Minus(clipRange));     // (B, T)
        Tensor free = (values - returns).Squared(), bound = (near - returns).Squared();
        Tensor loss = (maximum(free, bound) * weights).sum().Times(0.5);
        return new(loss.MoveToOuterDisposeScope(), bound.gt(free).to(ScalarType.Float32).MoveToOuterDisposeScope());
    }
}

/// <summary>A clipped value loss.</summary>
/// <param name="Loss">A scalar, with its gradient.</param>
/// <param name="Clipped">(B, T) 1 where the clipped error is the larger, else 0.</param>
internal sealed record ValueLossResult(Tensor Loss, Tensor Clipped);

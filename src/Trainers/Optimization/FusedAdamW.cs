using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// libtorch's own fused AdamW, one pass over the buffers on a CPU and on a GPU. TorchSharp has no method for it, so it is called through
/// TorchScript. May be called from several threads.
/// </summary>
internal static class FusedAdamW
{
    private static readonly OnceValue<jit.CompilationUnit> Unit = new(static () => jit.compile("""
        def step(p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], t: List[Tensor], lr: float, beta1: float, beta2: float, decay: float, eps: float, scale: Tensor, skip: Tensor) -> int:
            torch._fused_adamw_(p, g, m, v, [], t, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False, grad_scale=scale, found_inf=skip)
            return 0

        """));

    /// <summary>Updates p, m and v in place; divides g by the scale in place.</summary>
    /// <param name="p">(n) float32: the weights.</param>
    /// <param name="g">(n) float32: their gradient.</param>
    /// <param name="m">(n) float32: the first moment.</param>
    /// <param name="v">(n) float32: the second moment.</param>
    /// <param name="t">A float32 scalar on the same device: the updates made, this one included.</param>
    /// <param name="learningRate">The rate of this step.</param>
    /// <param name="options">β1, β2 and ε.</param>
    /// <param name="weightDecay">Decoupled weight decay.</param>
    /// <param name="scale">A float32 scalar on the same device: what the gradient is divided by.</param>
    /// <param name="skip">A float32 scalar on the same device: 1 leaves everything as it is, 0 updates.</param>
    public static void Step(Tensor p, Tensor g, Tensor m, Tensor v, Tensor t, double learningRate, AdamWOptions options, double weightDecay, Tensor scale, Tensor skip)
    {
        if (p.numel() == 0) return;
        // As lists: TorchScript takes a call for dead code whose only effect is on lists made inside the function.
        Unit.Value.Call("step", (Tensor[])[p], (Tensor[])[g], (Tensor[])[m], (Tensor[])[v], (Tensor[])[t], learningRate, options.Beta1, options.Beta2, weightDecay, options.Epsilon, scale, skip);
    }
}

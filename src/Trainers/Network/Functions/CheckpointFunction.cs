using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Activation checkpointing (Chen et al. 2016, section 4): the forward pass keeps a block's input alone; the backward pass computes the block
/// again to have what its gradients need.
/// </summary>
internal sealed class CheckpointFunction : autograd.SingleTensorFunction<CheckpointFunction>
{
    public override string Name => nameof(CheckpointFunction);

    /// <summary>The block's result.</summary>
    /// <param name="x">Its input.</param>
    /// <param name="anchor">Any trained tensor: gradients are wanted even where <paramref name="x"/> needs none.</param>
    /// <param name="block">The block; gives the same for the same input.</param>
    public static Tensor Of(Tensor x, Tensor anchor, Func<Tensor, Tensor> block) => apply(x, anchor, block);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var x = (Tensor)vars[0];
        var block = (Func<Tensor, Tensor>)vars[2];
        ctx.save_data(nameof(KeptTensors), KeptTensors.Of(x));
        ctx.save_data(nameof(block), block);
        return block(x);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 3, () =>
    {
        var block = (Func<Tensor, Tensor>)ctx.get_data("block");
        using var kept = (KeptTensors)ctx.get_data(nameof(KeptTensors));
        Tensor x = kept[0].detach().requires_grad_();
        using (enable_grad()) BackwardPass.Run(block(x), grad_output);
        Tensor? gradient = x.grad;
        x.grad = null;
        return [gradient];
    });
}

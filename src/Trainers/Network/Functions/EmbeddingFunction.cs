using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Rows of the token embedding: their gradient is added to the flat gradient, without a table of zeros in between.</summary>
internal sealed class EmbeddingFunction : autograd.SingleTensorFunction<EmbeddingFunction>
{
    public override string Name => nameof(EmbeddingFunction);

    /// <summary>The rows.</summary>
    /// <param name="table">(V, C) float32.</param>
    /// <param name="tokenIds">(N) int64.</param>
    /// <param name="tableGradient">(V, C) float32: a view of the flat gradient; null where that is frozen.</param>
    /// <returns>(N, C) float32.</returns>
    public static Tensor Of(Tensor table, Tensor tokenIds, Tensor? tableGradient) => apply(table, tokenIds, tableGradient is null ? "frozen" : new Gradient(tableGradient));

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var tokenIds = (Tensor)vars[1];
        ctx.save_for_backward([tokenIds]);
        ctx.save_data(nameof(Gradient), vars[2]);
        return ((Tensor)vars[0]).index_select(0, tokenIds);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 3, () =>
    {
        if (ctx.get_data(nameof(Gradient)) is Gradient gradient) gradient.Table.PlusRowsInPlace(ctx.get_saved_variables()[0], grad_output);
        return [];
    });

    /// <summary>Keeps a tensor from being taken for an argument to differentiate.</summary>
    private sealed record Gradient(Tensor Table);
}

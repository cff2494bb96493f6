using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace MLNet.Gpt;

/// <summary>Rows of the token embedding on a CPU: their gradient is added to the flat gradient, without a table of zeros in between.</summary>
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
        if (ctx.get_data(nameof(Gradient)) is Gradient gradient) AddRows(gradient.Table, ctx.get_saved_variables()[0].contiguous(), grad_output.contiguous());
        return [];
    });

    private static unsafe void AddRows(Tensor table, Tensor tokenIds, Tensor rows)
    {
        int columns = (int)table.size(1);
        ReadOnlySpan<long> ids = MemoryMarshal.Cast<byte, long>(tokenIds.bytes);
        float* target = (float*)CpuMemory.AddressOf(table, columns), source = (float*)CpuMemory.AddressOf(rows, columns);
        for (int i = 0; i < ids.Length; i++)
        {
            var sum = new Span<float>(target + (ids[i] * columns), columns);
            TensorPrimitives.Add(sum, new ReadOnlySpan<float>(source + ((long)i * columns), columns), sum);
        }

        GC.KeepAlive(table);
        GC.KeepAlive(rows);
    }

    /// <summary>Keeps a tensor from being taken for an argument to differentiate.</summary>
    private sealed record Gradient(Tensor Table);
}

#nullable disable
namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        public static unsafe IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor> grad_outputs = null, bool retain_graph = false, bool create_graph = false, bool allow_unused = false)
        {
            nint* items;
            fixed (nint* outs = Tensor.HandlesOf(outputs), ins = Tensor.HandlesOf(inputs), grads = Tensor.HandlesOf(grad_outputs ?? []))
            {
                long count = Native.ts_autograd_grad(
                    outs, outputs.Count, ins, inputs.Count, grads, grad_outputs?.Count ?? 0, retain_graph, create_graph, allow_unused, &items);
                KeepAlive(outputs, inputs, grad_outputs);
                return [.. Tensor.OwnMany(count, items)];
            }
        }

        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor> grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor> inputs = null)
        {
            fixed (nint* outs = Tensor.HandlesOf(tensors), grads = Tensor.HandlesOf(grad_tensors ?? []), ins = Tensor.HandlesOf(inputs ?? []))
            {
                int status = Native.ts_backward_many(
                    outs, tensors.Count, grads, grad_tensors?.Count ?? 0, retain_graph ?? create_graph, create_graph, ins, inputs?.Count ?? 0);
                KeepAlive(tensors, grad_tensors, inputs);
                Native.Check(status);
            }
        }

        private static void KeepAlive(IList<Tensor> a, IList<Tensor> b, IList<Tensor> c)
        {
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            GC.KeepAlive(c);
        }
    }
}

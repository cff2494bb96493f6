namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public bool is_leaf => Read(Native.ts_is_leaf(Handle));

        public bool requires_grad
        {
            get => Read(Native.ts_requires_grad(Handle));
            set => Done(Native.ts_set_requires_grad(Handle, value));
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public unsafe Tensor? grad
        {
            get
            {
                nint result;
                Done(Native.ts_grad(Handle, &result));
                return result == 0 ? null : new Tensor(result);
            }

            set => Done(Native.ts_set_grad(Handle, HandleOrNull(value)), value);
        }

        public void retain_grad() => Done(Native.ts_retain_grad(Handle));

        public Tensor detach() => Own(Native.ts_detach(Handle), this);

        public void backward() => Done(Native.ts_backward(Handle));

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward([this], grad_tensors, retain_graph, create_graph, inputs);
    }
}

#nullable disable
namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>What forward leaves for backward: tensors in the graph's own care, other values here.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> data = [];
            private bool materializeGrads = true;

            internal AutogradContext()
            {
            }

            /// <summary>libtorch's context, which is there while forward or backward runs.</summary>
            internal nint Handle { get; set; }

            public bool MaterializeGrads => materializeGrads;

            public unsafe void save_for_backward(List<Tensor> tensors)
            {
                fixed (nint* items = Tensor.HandlesOf(tensors)) Native.Check(Native.ts_context_save(Handle, items, tensors.Count));
                GC.KeepAlive(tensors);
            }

            public unsafe List<Tensor> get_saved_variables()
            {
                nint* items;
                return [.. Tensor.OwnMany(Native.ts_context_saved(Handle, &items), items)];
            }

            public void save_data(string key, object value) => data[key] = value;

            public object get_data(string key) => data.GetValueOrDefault(key);

            public unsafe void mark_dirty(List<Tensor> tensors)
            {
                fixed (nint* items = Tensor.HandlesOf(tensors)) Native.Check(Native.ts_context_mark_dirty(Handle, items, tensors.Count));
                GC.KeepAlive(tensors);
            }

            public unsafe void mark_non_differentiable(List<Tensor> tensors)
            {
                fixed (nint* items = Tensor.HandlesOf(tensors))
                {
                    Native.Check(Native.ts_context_mark_non_differentiable(Handle, items, tensors.Count));
                }

                GC.KeepAlive(tensors);
            }

            /// <summary>Nothing to free: the tensors belong to the graph.</summary>
            public void Dispose() => GC.SuppressFinalize(this);

            public void set_materialize_grads(bool value)
            {
                materializeGrads = value;
                Native.ts_context_set_materialize_grads(Handle, value);
            }
        }
    }
}

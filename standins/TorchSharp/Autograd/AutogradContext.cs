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

            internal AutogradContext()
            {
            }

            /// <summary>libtorch's context, which is there while forward or backward runs.</summary>
            internal nint Handle { get; set; }

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

            /// <summary>Nothing to free: the tensors belong to the graph.</summary>
            public void Dispose() => GC.SuppressFinalize(this);
        }
    }
}

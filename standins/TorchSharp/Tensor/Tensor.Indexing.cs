using System.Runtime.CompilerServices;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        [IndexerName("TensorItems")]
        public Tensor this[params TensorIndex[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params Tensor[] indices]
        {
            get => index([.. indices.Select(TensorIndex.Tensor)]);
            set => index_put_(value, [.. indices.Select(TensorIndex.Tensor)]);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1]
        {
            get => index(i1);
            set => index_put_(value, i1);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2]
        {
            get => index(i1, i2);
            set => index_put_(value, i1, i2);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3]
        {
            get => index(i1, i2, i3);
            set => index_put_(value, i1, i2, i3);
        }

        internal unsafe Tensor index(params TensorIndex[] indices)
        {
            fixed (IndexStep* steps = Steps(indices))
            {
                Tensor result = Own(Native.ts_index(Handle, steps, indices.Length), this);
                GC.KeepAlive(indices);
                return result;
            }
        }

        internal unsafe Tensor index_put_(Tensor value, params TensorIndex[] indices)
        {
            fixed (IndexStep* steps = Steps(indices))
            {
                Done(Native.ts_index_put_(Handle, steps, indices.Length, value.Handle), value);
                GC.KeepAlive(indices);
                return this;
            }
        }

        private static IndexStep[] Steps(TensorIndex[] indices) => Array.ConvertAll(indices, static index => index.AsStep());
    }

    /// <summary>One step of an indexing expression: a place, a range, a mask, a new or every remaining dimension.</summary>
    public struct TensorIndex
    {
        public static TensorIndex Ellipsis = new() { kind = 2 };

        public static TensorIndex None = new() { kind = 0 };

        public static TensorIndex Colon = Slice();

        // What IndexStep.Kind says: 0 a new dimension, 1 a place, 2 every remaining dimension, 3 a bool, 4 a tensor,
        // 5 a range.
        private long kind;
        private long? start, stop, step;
        private Tensor? tensor;

        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) =>
            new() { kind = 5, start = start, stop = stop, step = step };

        private static TensorIndex Slice(Range range) => Slice(
            range.Start.IsFromEnd ? -range.Start.Value : range.Start.Value,
            range.End.IsFromEnd ? range.End.Value == 0 ? null : -range.End.Value : range.End.Value);

        public static TensorIndex Single(long? index) => new() { kind = 1, start = index };

        public static TensorIndex Tensor(Tensor tensor) => new() { kind = 4, tensor = tensor };

        public static implicit operator TensorIndex(long value) => Single(value);

        public static implicit operator TensorIndex(Range range) => Slice(range);

        public static implicit operator TensorIndex(Index index) => Single(index.IsFromEnd ? -index.Value : index.Value);

        // Never meant to run: with it, an indexer of tensors can't be mistaken for one of indices.
        public static implicit operator Tensor(TensorIndex value) => throw new InvalidOperationException("Should not be called.");

        internal readonly IndexStep AsStep() => new()
        {
            Kind = kind,
            Start = start ?? IndexStep.Absent,
            Stop = stop ?? IndexStep.Absent,
            Step = step ?? IndexStep.Absent,
            Tensor = torch.Tensor.HandleOrNull(tensor),
        };
    }
}

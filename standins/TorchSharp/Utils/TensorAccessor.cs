#nullable disable
using System.Collections;

namespace TorchSharp.Utils;

/// <summary>The elements of a tensor in CPU memory, in row-major order whatever the strides.</summary>
public sealed unsafe class TensorAccessor<T> : IDisposable, IEnumerable<T> where T : unmanaged
{
    private torch.Tensor tensor; // keeps the memory alive
    private T* start;

    internal TensorAccessor(torch.Tensor tensor)
    {
        tensor.RequireCpu();
        start = (T*)tensor.DataPointer();
        this.tensor = tensor;
    }

    public long Count => tensor is null ? 0 : tensor.numel();

    public T this[params long[] indices]
    {
        get => indices.Length == 1 ? *AtPlace(indices[0]) : *AtCoordinate(indices);
        // Unlike reading, writing takes a coordinate only, in the original too.
        set => *AtCoordinate(indices) = value;
    }

    public T[] ToArray()
    {
        var array = new T[Count];
        if (array.Length > 0) CopyTo(array);
        return array;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        long count = Overlap(array.Length, arrayIndex, tensorIndex);
        if (tensor.is_contiguous())
        {
            new ReadOnlySpan<T>(start + tensorIndex, (int)count).CopyTo(array[arrayIndex..]);
            return;
        }

        var walk = new Walk(tensor, tensorIndex);
        for (int i = 0; i < count; i++) array[arrayIndex + i] = start[walk.Next()];
    }

    public void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        long count = Overlap(array.Length, arrayIndex, tensorIndex);
        var walk = new Walk(tensor, tensorIndex);
        for (int i = 0; i < count; i++) start[walk.Next()] = array[arrayIndex + i];
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (long i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        start = null;
        tensor = null;
    }

    /// <summary>How many elements both sides have from the given places on.</summary>
    private long Overlap(int length, int arrayIndex, long tensorIndex)
    {
        if (tensorIndex < 0 || tensorIndex >= Count) throw new ArgumentOutOfRangeException(nameof(tensorIndex));
        return Math.Max(0, Math.Min(length - arrayIndex, Count - tensorIndex));
    }

    /// <summary>The element at a place in row-major order.</summary>
    private T* AtPlace(long index)
    {
        if (index >= Count) throw new IndexOutOfRangeException();
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return start + (tensor.is_contiguous() ? index : new Walk(tensor, index).Next());
    }

    private T* AtCoordinate(long[] indices)
    {
        long offset = 0;
        for (int i = (int)tensor.ndim - 1; i >= 0; i--)
        {
            if (indices[i] < 0 || indices[i] >= tensor.size(i))
            {
                throw new IndexOutOfRangeException($"{indices[i]} >= {tensor.size(i)} in dimension {i}.");
            }

            offset += indices[i] * tensor.stride(i);
        }

        return start + offset;
    }

    /// <summary>Goes through the offsets of a strided tensor, the last dimension fastest.</summary>
    private struct Walk
    {
        private readonly long[] shape, strides, place;
        private long offset;

        internal Walk(torch.Tensor tensor, long index)
        {
            shape = tensor.shape;
            strides = tensor.stride();
            place = new long[shape.Length];
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                index = Math.DivRem(index, shape[i], out place[i]);
                offset += place[i] * strides[i];
            }
        }

        internal long Next()
        {
            long current = offset;
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                offset += strides[i];
                if (++place[i] < shape[i]) break;
                offset -= place[i] * strides[i];
                place[i] = 0;
            }

            return current;
        }
    }
}

using System.Collections;

namespace Microsoft.ML.Data;

/// <summary>
/// A vector, dense or sparse. A sparse one holds fewer values than its length, and the slot of each; the other slots
/// have the type's default value. Copies of the struct share its arrays, which <see cref="VBufferEditor"/> reuses.
/// </summary>
public readonly struct VBuffer<T> : IEnumerable
{
    private readonly T[] _values;
    private readonly int[] _indices;
    private readonly int _count;

    public readonly int Length;

    public VBuffer(int length, T[] values, int[] indices = null) : this(length, length, values, indices) { }

    public VBuffer(int length, int count, T[] values, int[] indices)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, length);
        ArgumentOutOfRangeException.ThrowIfLessThan(values?.Length ?? 0, count, nameof(values));
        if (count < length)
            ArgumentOutOfRangeException.ThrowIfLessThan(indices?.Length ?? 0, count, nameof(indices));
        Length = length;
        _count = count;
        _values = values;
        _indices = indices;
    }

    public bool IsDense => _count == Length;

    public ReadOnlySpan<T> GetValues() => _values.AsSpan(0, _count);

    public ReadOnlySpan<int> GetIndices() => IsDense ? default : _indices.AsSpan(0, _count);

    public void CopyTo(ref VBuffer<T> destination)
    {
        var editor = VBufferEditor.Create(ref destination, Length, _count);
        GetValues().CopyTo(editor.Values);
        GetIndices().CopyTo(editor.Indices);
        destination = editor.Commit();
    }

    public void CopyTo(Span<T> destination)
    {
        if (Length > destination.Length)
            throw new ArgumentOutOfRangeException(nameof(destination), $"{Length} values don't fit into {destination.Length}.");
        if (IsDense)
        {
            GetValues().CopyTo(destination);
            return;
        }
        destination[..Length].Clear();
        for (int i = 0; i < _count; i++)
            destination[_indices[i]] = _values[i];
    }

    public IEnumerable<T> DenseValues()
    {
        for (int slot = 0, next = 0; slot < Length; slot++)
        {
            if (IsDense)
                yield return _values[slot];
            else if (next < _count && _indices[next] == slot)
                yield return _values[next++];
            else
                yield return default;
        }
    }

    public T GetItemOrDefault(int index)
    {
        if ((uint)index >= (uint)Length)
            throw new ArgumentOutOfRangeException(nameof(index));
        if (IsDense)
            return _values[index];
        int found = GetIndices().BinarySearch(index);
        return found < 0 ? default : _values[found];
    }

    public IEnumerator GetEnumerator() => _values.GetEnumerator();

    public override string ToString() =>
        IsDense ? $"Dense vector of size {Length}" : $"Sparse vector of size {Length}, {_count} explicit values";

    internal VBufferEditor<T> Edit(int length, int count, int? maxCapacity, bool keepOld, bool requireIndices)
    {
        var values = Resize(_values, count, maxCapacity, keepOld);
        var indices = count < length || requireIndices ? Resize(_indices, count, maxCapacity, keepOld) : _indices;
        return new(length, count, values, indices, requireIndices, values != _values);
    }

    private static TItem[] Resize<TItem>(TItem[] array, int size, int? maxCapacity, bool keepOld)
    {
        int old = array?.Length ?? 0;
        if (old >= size)
            return array;
        long doubled = Math.Min(2L * old, maxCapacity ?? Array.MaxLength);
        var larger = new TItem[Math.Max(size, doubled)];
        if (keepOld && old > 0)
            Array.Copy(array, larger, old);
        return larger;
    }
}

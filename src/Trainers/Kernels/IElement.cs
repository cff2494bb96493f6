using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>A number format that kernels read and write; they compute in float32.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Size { get; }

    /// <summary>Reads elements index to index + 15.</summary>
    static abstract Vector512<float> Load(void* values, nint index);

    /// <summary>Writes elements index to index + 15, rounding to the nearest, ties to even.</summary>
    static abstract void Store(void* values, nint index, Vector512<float> value);

    /// <summary>Reads one element.</summary>
    static abstract float LoadOne(void* values, nint index);

    /// <summary>Writes one element.</summary>
    static abstract void StoreOne(void* values, nint index, float value);
}

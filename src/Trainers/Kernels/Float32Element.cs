using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>IEEE 754 single precision.</summary>
internal readonly unsafe struct Float32Element : IElement
{
    public static int Size => sizeof(float);

    public static Vector512<float> Load(void* values, nint index) => Vector512.Load((float*)values + index);

    public static void Store(void* values, nint index, Vector512<float> value) => value.Store((float*)values + index);

    public static float LoadOne(void* values, nint index) => ((float*)values)[index];

    public static void StoreOne(void* values, nint index, float value) => ((float*)values)[index] = value;
}

using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

/// <summary>Reads and compares tensors of floats.</summary>
internal static class Values
{
    public static float[] Of(Tensor tensor) => tensor.detach().to(ScalarType.Float32).contiguous().data<float>().ToArray();

    public static void AreEqual(float[] expected, Tensor actual, float tolerance = 0)
    {
        float[] values = Of(actual);
        Assert.HasCount(expected.Length, values);
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], values[i], tolerance, $"element {i}");
    }

    public static void HasShape(long[] expected, Tensor actual) => CollectionAssert.AreEqual(expected, actual.shape);
}

using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>What a graph's key/value cache is made of.</summary>
/// <param name="Type">The type of its numbers: float32, float16 or bfloat16.</param>
/// <param name="Heads">The heads of keys and values; the model's, or fewer where several queries share one.</param>
/// <param name="HeadSize">D.</param>
/// <param name="IsShared">Whether past and present share a buffer.</param>
internal sealed record CacheShape(TensorElementType Type, int Heads, int HeadSize, bool IsShared)
{
    /// <summary>The bytes of a number.</summary>
    public int NumberBytes => Type == TensorElementType.Float ? sizeof(float) : sizeof(ushort);

    /// <summary>The bytes of one position of one head.</summary>
    public int PositionBytes => HeadSize * NumberBytes;

    /// <summary>Reads it from a graph that <see cref="OnnxModelChecks"/> has checked.</summary>
    public static CacheShape Of(InferenceSession session, GptConfig config, GptDevice device)
    {
        NodeMetadata keys = session.InputMetadata[OnnxPackageLayout.PastKey(0)];

        // On a GPU the graph has been changed to one with two buffers when it was opened.
        bool isShared = !device.IsCuda && session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(OnnxPackageLayout.CacheKey) == OnnxPackageLayout.SharedCache;
        return new(keys.ElementDataType, keys.Dimensions[1] > 0 ? keys.Dimensions[1] : config.HeadCount, config.HeadSize, isShared);
    }
}

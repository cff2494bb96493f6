using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>JSON is nested deeper than is read.</summary>
/// <param name="depth">How deep it is.</param>
/// <param name="most">How deep it may be.</param>
/// <param name="innerException">What the parser said.</param>
internal sealed class JsonDepthException(int depth, int most, Exception innerException)
    : JsonException($"It is nested {depth} deep; at most {most} objects and lists within each other are read.", innerException)
{
    /// <summary>How deep it is.</summary>
    public int Depth => depth;
}

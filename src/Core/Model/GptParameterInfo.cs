namespace MLNet.Gpt;

/// <summary>One parameter tensor of a GPT: its name, its shape and what it does.</summary>
/// <param name="Name">The name in GPT-2's checkpoint, without the "transformer." prefix, e.g. "h.0.attn.c_attn.weight".</param>
/// <param name="Shape">The dimensions; a projection's weight is [in, out] (GPT-2's Conv1D orientation).</param>
/// <param name="Role">What it does in the network.</param>
internal sealed record GptParameterInfo(string Name, IReadOnlyList<long> Shape, GptParameterRole Role)
{
    /// <summary>The number of elements.</summary>
    public long ElementCount => Shape.Aggregate(1L, static (product, size) => product * size);

    /// <summary>The dimensions as text, e.g. "[768, 2304]".</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}

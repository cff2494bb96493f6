namespace MLNet.Gpt;

/// <summary>One dimension of a graph's input or output: a number, or a symbol that stands for any.</summary>
internal readonly record struct GraphDimension(long Size, string? Symbol)
{
    public static implicit operator GraphDimension(long size) => new(size, null);

    public static implicit operator GraphDimension(string symbol) => new(0, symbol);
}

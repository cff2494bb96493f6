namespace MLNet.Gpt.Core.Tests;

/// <summary>An adapter that is nothing but a name.</summary>
internal sealed record NamedAdapter(string Name) : IModelAdapter
{
    public LoraOptions Options { get; } = new();
}

namespace MLNet.Gpt;

/// <summary>A collection in memory, whatever its records are.</summary>
internal interface IMemoryCollection
{
    bool Exists { get; }

    void Delete();
}

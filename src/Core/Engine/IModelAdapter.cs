namespace MLNet.Gpt;

/// <summary>A LoRA adapter that a model has loaded. It stays usable by what began with it when it is unloaded.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public interface IModelAdapter
{
    /// <summary>The name that it was loaded under.</summary>
    string Name { get; }

    /// <summary>What it is.</summary>
    LoraOptions Options { get; }
}

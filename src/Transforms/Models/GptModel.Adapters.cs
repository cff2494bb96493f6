namespace MLNet.Gpt;

// LoRA adapters over one copy of the weights.
public sealed partial class GptModel
{
    /// <summary>
    /// The adapters that are loaded. <see cref="GenerationOptions.Adapter"/> chooses one by its name, for a call or for one caller of a <see cref="GptGenerationQueue"/>. They go with the model when it is exported from its package or saved.
    /// </summary>
    public IReadOnlyCollection<IModelAdapter> Adapters => (Engine as IAdaptableModel)?.Adapters ?? [];

    /// <summary>Loads a LoRA adapter from PEFT's folder beside those that are there; others may generate meanwhile. The model is a package that was exported with <see cref="OnnxExportOptions.AdaptableProjections"/>.</summary>
    /// <param name="name">The name that it goes by: 1 to 64 letters, digits, '-' or '_'. Names do not differ by case alone.</param>
    /// <param name="folder">The folder, with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>. It is not read again.</param>
    /// <exception cref="ArgumentException">The name is no such name, or is taken.</exception>
    /// <exception cref="UnsupportedOptionException">The model takes no adapters.</exception>
    /// <exception cref="CheckpointNotFoundException">The folder or one of its two files is missing.</exception>
    /// <exception cref="CorruptFileException">A file breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedAdapterException">The adapter adapts a projection that the model does not offer, or asks for something that this library does not do.</exception>
    /// <exception cref="TensorMismatchException">The adapter belongs to a base of another shape.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IModelAdapter LoadAdapter(string name, string folder)
    {
        using NativeLease lease = _lifetime.Acquire();
        return Engine is IAdaptableModel adaptable ? adaptable.LoadAdapter(name, folder) : throw new UnsupportedOptionException("adapter", name,
            $"A model on {Engine.GetType().Name} takes none beside others; export it with {nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.AdaptableProjections)} and open the package.");
    }

    /// <summary>Forgets an adapter. Calls that began with it go on with it.</summary>
    /// <param name="name">The name.</param>
    /// <returns>Whether there was one of this name.</returns>
    public bool UnloadAdapter(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Engine is IAdaptableModel adaptable && adaptable.UnloadAdapter(name);
    }
}

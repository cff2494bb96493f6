namespace MLNet.Gpt;

/// <summary>A causal model each of whose rows may be computed with another LoRA adapter, or with none: one copy of the weights serves them all, in one batch.</summary>
/// <remarks>May be used from several threads at once; adapters come and go while others compute.</remarks>
public interface IAdaptableModel : ICausalModel
{
    /// <summary>The projections that an adapter may adapt; <see cref="LoraProjections.None"/> where the model offers none.</summary>
    LoraProjections AdaptableProjections { get; }

    /// <summary>The adapters that are loaded, by their names.</summary>
    IReadOnlyCollection<IModelAdapter> Adapters { get; }

    /// <summary>Loads an adapter from PEFT's folder. Its rank may differ from the others'.</summary>
    /// <param name="name">The name that it goes by: 1 to 64 letters, digits, '-' or '_'. Names do not differ by case alone.</param>
    /// <param name="folder">The folder, with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <exception cref="ArgumentException">The name is no such name, or is taken.</exception>
    /// <exception cref="UnsupportedOptionException">The model offers no projections to adapters.</exception>
    /// <exception cref="CheckpointNotFoundException">The folder or one of its two files is missing.</exception>
    /// <exception cref="CorruptFileException">A file breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedAdapterException">The adapter adapts a projection that the model does not offer, or asks for something that this library does not do.</exception>
    /// <exception cref="TensorMismatchException">The adapter belongs to a base of another shape.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    IModelAdapter LoadAdapter(string name, string folder);

    /// <summary>Forgets an adapter. What began with it goes on with it; its memory is freed with the last such decoder.</summary>
    /// <param name="name">The name.</param>
    /// <returns>Whether there was one of this name.</returns>
    bool UnloadAdapter(string name);

    /// <summary>Begins a batch of sequences with an empty key/value cache, each row with an adapter of its own.</summary>
    /// <param name="adapters">Each row's adapter, of this model; null for none.</param>
    /// <param name="capacity">As for <see cref="ICausalModel.BeginDecoding"/>.</param>
    /// <returns>A decoder that the caller disposes.</returns>
    /// <exception cref="ArgumentException">There are no rows, or an adapter is not one of this model's.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is below 1.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    ICausalDecoder BeginDecoding(IReadOnlyList<IModelAdapter?> adapters, int capacity);
}

namespace MLNet.Gpt;

/// <summary>A view of a model that computes every row with one adapter. Does not own the model.</summary>
internal sealed class AdaptedModel(IAdaptableModel model, IModelAdapter adapter) : ICausalModel
{
    /// <summary>The adapter.</summary>
    public IModelAdapter Adapter => adapter;

    /// <inheritdoc/>
    public GptConfig Config => model.Config;

    /// <inheritdoc/>
    public GptDevice Device => model.Device;

    /// <summary>The model, or its view with the adapter of a name. A view is left as it is: its adapter has been chosen.</summary>
    /// <param name="model">The model, or a view of it.</param>
    /// <param name="name">The adapter's name; null for none.</param>
    /// <exception cref="UnsupportedOptionException">A name is given, and the model takes no adapters.</exception>
    /// <exception cref="UnknownAdapterException">No adapter of this name is loaded.</exception>
    public static ICausalModel Of(ICausalModel model, string? name)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (name is null || model is AdaptedModel) return model;
        IModelAdapter adapter = Find(model, name);
        return new AdaptedModel((IAdaptableModel)model, adapter);
    }

    /// <summary>The adapter of a name.</summary>
    /// <param name="model">The model; no view.</param>
    /// <param name="name">The adapter's name.</param>
    /// <exception cref="UnsupportedOptionException">The model takes no adapters.</exception>
    /// <exception cref="UnknownAdapterException">No adapter of this name is loaded.</exception>
    public static IModelAdapter Find(ICausalModel model, string name)
    {
        if (model is not IAdaptableModel { AdaptableProjections: not LoraProjections.None } adaptable)
        {
            throw new UnsupportedOptionException(nameof(GenerationOptions.Adapter), name,
                $"The model takes no adapters; export it with {nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.AdaptableProjections)} and open the package, or merge the adapter into the base.");
        }

        IReadOnlyCollection<IModelAdapter> loaded = adaptable.Adapters;
        return loaded.FirstOrDefault(one => string.Equals(one.Name, name, StringComparison.OrdinalIgnoreCase)) ?? throw new UnknownAdapterException(name, [.. loaded.Select(static one => one.Name)]);
    }

    /// <inheritdoc/>
    public ICausalDecoder BeginDecoding(int rowCount, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        return model.BeginDecoding([.. Enumerable.Repeat(adapter, rowCount)], capacity);
    }

    /// <summary>Does nothing: the model is another's.</summary>
    public void Dispose()
    {
    }
}

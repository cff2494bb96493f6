namespace MLNet.Gpt;

/// <summary>Writes the files of a model as a package, whichever engine computes it.</summary>
internal static class ModelPackage
{
    /// <summary>Writes graph, weights, configuration and tokenizer into an existing folder.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">How; null for the engine's own way.</param>
    /// <param name="folder">The folder.</param>
    /// <exception cref="OnnxExportUnavailableException">The engine can't write its model, or not that way.</exception>
    public static void Write(object engine, GptTokenizer tokenizer, OnnxExportOptions? options, string folder)
    {
        IOnnxExportable exportable = engine as IOnnxExportable ?? throw new OnnxExportUnavailableException(engine.GetType());
        if (engine is not IOnnxPackaged)
        {
            options ??= new OnnxExportOptions();
            options = options with { TokenizerHash = options.TokenizerHash ?? tokenizer.Hash, EndOfTextId = options.EndOfTextId ?? tokenizer.EndOfTextId };
        }

        exportable.WriteOnnxPackage(folder, options);
        tokenizer.Save(folder);
    }

    /// <summary>As <see cref="Write"/>, but a package that is on disk already stays there.</summary>
    /// <returns>The paths of the files that stayed.</returns>
    /// <exception cref="OnnxExportUnavailableException">The engine can't write its model.</exception>
    public static IReadOnlyList<string> WriteToSave(object engine, GptTokenizer tokenizer, OnnxExportOptions? options, string folder)
    {
        if (options is not null || engine is not IOnnxPackaged packaged)
        {
            Write(engine, tokenizer, options, folder);
            return [];
        }

        IReadOnlyList<string> files = packaged.Package.FilesToCopy();
        tokenizer.Save(folder);
        packaged.WriteAdapters(folder);
        return files;
    }

    /// <summary>Writes what a language model has besides weights and tokenizer.</summary>
    public static void WriteCompanions(ModelCompanions companions, GptTokenizer tokenizer, GptConfig config, string folder)
    {
        companions.Save(folder);
        GenAiConfigJson.WriteCompanions(folder, companions, tokenizer);
        GenAiConfigJson.WriteTokenizerConfig(folder, tokenizer, config.ContextLength);
    }

    /// <summary>Notes the head that a transformer uses of a package that has several; null where it has a package of its own.</summary>
    public static void WriteUsedHead(string? head, string folder)
    {
        if (head is not null) File.WriteAllText(Path.Combine(folder, OnnxPackageLayout.UsedHeadFile), head);
    }

    /// <summary>An engine's weights.</summary>
    /// <exception cref="OnnxExportUnavailableException">It does not give them away.</exception>
    public static TWeights WeightsOf<TWeights>(object engine)
        where TWeights : class => engine as TWeights ?? throw new OnnxExportUnavailableException(engine.GetType(),
            $"The model's engine, {engine.GetType().Name}, does not implement {typeof(TWeights).Name}, so its head can't be written beside others. Take the trained model, on TorchSharp.");
}

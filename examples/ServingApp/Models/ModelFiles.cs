using MLNet.Gpt;
using ServingApp.Hosting;

namespace ServingApp.Models;

/// <summary>Opens what the settings name: the model, and behind it the model with each adapter.</summary>
internal static class ModelFiles
{
    /// <summary>Opens everything. Adapters that are files of their own, or lie in the package, share the model's weights and its batch; a package with one merged is a model of its own.</summary>
    /// <exception cref="GptException">Files are missing, damaged, do not fit each other, or belong to a model that this library does not know.</exception>
    /// <exception cref="InvalidOperationException">A zip holds no transformer of MLNet.Gpt.</exception>
    /// <exception cref="ServingConfigurationException">There are adapters, and the model writes no text or takes none; or a name is none, or another's.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while a checkpoint was written as a package; nothing of it is left.</exception>
    public static IReadOnlyList<ServedModel> Open(ServingOptions options, CancellationToken cancellationToken = default)
    {
        var models = new List<ServedModel>();
        try
        {
            // 1. The model. A checkpoint is written with its adapters beside it.
            string path = options.Model ?? "demo", name = options.ModelName ?? Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
            Dictionary<string, string> alone = options.Adapters.Where(static adapter => File.Exists(Path.Combine(adapter.Value, "adapter_config.json"))).ToDictionary();
            bool isCheckpoint = !options.Demo && IsCheckpoint(path);
            models.Add(options.Demo ? Written(name, options, DemoModel.Write)
                : isCheckpoint ? Written(name, options, folder => Named(alone.Keys, () => OnnxExporter.ExportWithAdapters(path, alone, folder, new() { Weights = options.Weights }, cancellationToken)))
                : ServedModel.Open(path, name, options.Sharing));
            ServedModel model = models[0];
            if (options.Adapters.Count > 0 && model.Gpt is null) throw new ServingConfigurationException($"Serving:Adapters names {options.Adapters.Keys.First()}, and the model '{name}' writes no text; leave the adapters out.");

            // 2. Those that others bring along, and those of the package.
            if (!isCheckpoint) foreach ((string adapter, string folder) in alone) Load(model, adapter, folder, options);
            models.AddRange(model.Gpt?.Adapters.Select(adapter => model.WithAdapter(adapter.Name)) ?? []);

            // 3. Packages with an adapter merged.
            foreach ((string adapter, string folder) in options.Adapters.Where(adapter => !alone.ContainsKey(adapter.Key)))
            {
                if (models.Exists(other => string.Equals(other.Name, $"{name}@{adapter}", StringComparison.OrdinalIgnoreCase)))
                    throw new ServingConfigurationException($"Serving:Adapters:{adapter} is '{folder}', and the model '{name}' has an adapter of that name; choose another.");
                models.Add(ServedModel.Open(folder, $"{name}@{adapter}", options.Sharing));
            }

            return models;
        }
        catch
        {
            foreach (ServedModel model in models) model.Dispose();
            throw;
        }
    }

    private static void Load(ServedModel model, string adapter, string folder, ServingOptions options)
    {
        try
        {
            Named([adapter], () => model.Gpt!.LoadAdapter(adapter, folder));
        }
        catch (UnsupportedOptionException)
        {
            throw new ServingConfigurationException($"'{folder}' is a LoRA adapter by itself, and the model {(options.Demo ? "is the demonstration" : $"'{options.Model}' is a package or a model.zip")}, which has no room for it. "
                + "Give the checkpoint folder of its base as the model, write that as a package with its adapters (OnnxExporter.ExportWithAdapters), or write a package with this one merged (OnnxExporter.ExportMerged) and name that here.");
        }
    }

    // What is wrong with a name is wrong with the settings.
    private static void Named(IEnumerable<string> adapters, Action use)
    {
        try
        {
            use();
        }
        catch (ArgumentException exception)
        {
            throw new ServingConfigurationException($"Serving:Adapters names {string.Join(", ", adapters)}: {exception.Message}");
        }
    }

    private static bool IsCheckpoint(string path) =>
        Directory.Exists(path) && !File.Exists(Path.Combine(path, "model.onnx")) && Directory.EnumerateFiles(path, "*.safetensors").Any();

    // As a package in a temporary folder, from which weights may be mapped: Unix keeps what is mapped when the folder is deleted, so that a program that is killed leaves nothing behind, and Windows keeps the folder.
    private static ServedModel Written(string name, ServingOptions options, Action<string> write)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mlnet-gpt-serving-");
        try
        {
            string package = Path.Combine(folder.FullName, "package");
            write(package);
            GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
            if (!OperatingSystem.IsWindows()) folder.Delete(recursive: true);
            return new ServedModel(name, options.Sharing, model, owner: OperatingSystem.IsWindows() ? new WrittenModel(model, folder) : model);
        }
        catch
        {
            if (Directory.Exists(folder.FullName)) folder.Delete(recursive: true);
            throw;
        }
    }

    private sealed class WrittenModel(GptModel model, DirectoryInfo folder) : IDisposable
    {
        public void Dispose()
        {
            model.Dispose();
            folder.Delete(recursive: true);
        }
    }
}

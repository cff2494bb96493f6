using MLNet.Gpt;
using ServingApp.Hosting;

namespace ServingApp.Models;

/// <summary>Opens what the settings name: the model, and behind it the model with each adapter.</summary>
internal static class ModelFiles
{
    /// <summary>Opens everything.</summary>
    /// <exception cref="GptException">Files are missing, damaged, do not fit each other, or belong to a model that this library does not know.</exception>
    /// <exception cref="InvalidOperationException">A zip holds no transformer of MLNet.Gpt.</exception>
    /// <exception cref="ServingConfigurationException">There are adapters, and the model writes no text, or an adapter can't be merged into it.</exception>
    public static IReadOnlyList<ServedModel> Open(ServingOptions options)
    {
        var models = new List<ServedModel>();
        try
        {
            string path = options.Model ?? "demo", name = options.ModelName ?? Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
            models.Add(options.Demo ? Written(name, options, DemoModel.Write)
                : IsCheckpoint(path) ? Written(name, options, folder => OnnxExporter.Export(path, folder, Form(options)))
                : ServedModel.Open(path, name, options.Sharing));
            if (options.Adapters.Count > 0 && models[0].Gpt is null) throw new ServingConfigurationException($"Serving:Adapters names {options.Adapters.Keys.First()}, and the model '{name}' writes no text; leave the adapters out.");
            foreach ((string adapter, string folder) in options.Adapters) models.Add(OpenAdapter(folder, $"{name}@{adapter}", options));
            return models;
        }
        catch
        {
            foreach (ServedModel model in models) model.Dispose();
            throw;
        }
    }

    // A package that has the adapter merged; or the adapter itself, in PEFT's layout, which is merged into the checkpoint.
    private static ServedModel OpenAdapter(string folder, string name, ServingOptions options)
    {
        if (!File.Exists(Path.Combine(folder, "adapter_config.json"))) return ServedModel.Open(folder, name, options.Sharing);
        if (options.Model is not { } path || !IsCheckpoint(path))
        {
            throw new ServingConfigurationException($"'{folder}' is a LoRA adapter by itself, and the model {(options.Demo ? "is the demonstration" : $"'{options.Model}' is a package or a model.zip")}, into whose weights it can't be merged. "
                + "Give the checkpoint folder of its base as the model, or write the two as a package (OnnxExporter.ExportMerged) and name that here.");
        }

        return Written(name, options, target => OnnxExporter.ExportMerged(path, folder, target, Form(options)));
    }

    private static OnnxExportOptions Form(ServingOptions options) => new() { Weights = options.Weights };

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

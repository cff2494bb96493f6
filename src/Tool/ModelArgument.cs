using System.CommandLine;

namespace MLNet.Gpt.Tool;

/// <summary>The model that a command runs: an ONNX package, or a checkpoint, which is exported into a temporary folder first.</summary>
internal static class ModelArgument
{
    public static Argument<string> Create() => new("model") { Description = "The folder of an ONNX package or of a checkpoint." };

    public static Option<GptDevice?> Device() => new("--device")
    {
        Description = "Where to compute: cpu, cuda or cuda:N. Default: a CUDA GPU where there is one.",
        CustomParser = static result => result.Tokens is not [var token] ? null : Parse(token.Value) is { } device ? device : Wrong(result, token.Value),
    };

    /// <summary>Opens the model.</summary>
    /// <exception cref="GptException">It is missing, damaged, or not one that this library knows.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static GptModel Open(string folder, GptDevice? device, CancellationToken cancellationToken = default)
    {
        if (!Directory.Exists(folder)) throw new CheckpointNotFoundException(folder, "there is no such folder.", "Name the folder of an ONNX package or of a checkpoint.");
        if (!IsCheckpoint(folder))
        {
            string trained = Path.Combine(folder, "model"); // of a run
            if (!File.Exists(Path.Combine(folder, "model.onnx")) && Directory.Exists(trained)) throw new CheckpointNotFoundException(folder, "it is the folder of a run.", $"Name the model in it, '{trained}'.");
            return GptModel.FromOnnx(folder, device);
        }

        DirectoryInfo temporary = Directory.CreateTempSubdirectory("mlnet-gpt-tool-");
        try
        {
            string package = Path.Combine(temporary.FullName, "package");
            OnnxExporter.Export(folder, package, cancellationToken: cancellationToken);
            return GptModel.FromOnnx(package, device);
        }
        finally
        {
            temporary.Delete(recursive: true); // what has been opened is in memory
        }
    }

    /// <summary>Whether a folder holds a checkpoint and no package.</summary>
    public static bool IsCheckpoint(string folder) =>
        !File.Exists(Path.Combine(folder, "model.onnx")) && Directory.EnumerateFiles(folder, "*.safetensors*").Any();

    private static GptDevice? Parse(string text) => text switch
    {
        "cpu" => GptDevice.Cpu,
        "cuda" => GptDevice.Cuda(),
        _ => text.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(text.AsSpan(5), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int index) ? GptDevice.Cuda(index) : null,
    };

    private static GptDevice? Wrong(System.CommandLine.Parsing.ArgumentResult result, string text)
    {
        result.AddError($"'{text}' is no device; it must be cpu, cuda or cuda:N.");
        return null;
    }
}

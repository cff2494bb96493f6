namespace MLNet.Gpt;

/// <summary>What helps where a folder is not what it is opened as: it may be another one of this library's.</summary>
internal static class FolderRemedy
{
    /// <summary>The remedy where no checkpoint is in a folder.</summary>
    public static string ForCheckpoint(string folder) =>
        Holds(folder, OnnxPackageLayout.ModelFile) ? "It is an ONNX package: open it with FromOnnx, or name the checkpoint that it was written from."
        : Holds(folder, LoraCheckpoint.ConfigFile) ? "It is a LoRA adapter: open its base, and attach it with WithAdapter."
        : IsRun(folder) ? "It is the folder of a run: name a checkpoint in it, such as checkpoints/best."
        : "Name a folder that GptCheckpoint.Write or transformers' save_pretrained wrote.";

    /// <summary>The remedy where no ONNX package is in a folder.</summary>
    public static string ForPackage(string folder) =>
        Holds(folder, CheckpointNames.Weights) || Holds(folder, CheckpointNames.WeightsIndex) ? "It is a checkpoint: write a package from it with OnnxExporter.Export, or open it on TorchSharp with FromCheckpoint."
        : Holds(folder, Path.Combine("model", OnnxPackageLayout.ModelFile)) ? "Its folder model is a package: name that one."
        : IsRun(folder) ? "It is the folder of a run: write a package with OnnxExporter.Export from a checkpoint in it, such as checkpoints/best."
        : "Name a folder that OnnxExporter or Optimum wrote.";

    private static bool Holds(string folder, string file) => File.Exists(Path.Combine(folder, file));

    private static bool IsRun(string folder) => Directory.Exists(Path.Combine(folder, "checkpoints"));
}

using System.CommandLine;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>export</c>: a checkpoint to an ONNX package.</summary>
internal static class ExportCommand
{
    public static Command Create(ToolConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "A checkpoint's folder, in Hugging Face's layout for GPT-1 or GPT-2." };
        var package = new Argument<string>("package") { Description = "The package's folder; a package there is replaced." };
        var beside = new Option<bool>("--weights-beside") { Description = "Put the weights into a file beside the graph, whatever their size." };
        var command = new Command("export", "Writes a checkpoint as an ONNX package.") { checkpoint, package, beside };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            string target = parsed.GetRequiredValue(package);
            cancellationToken.ThrowIfCancellationRequested();
            OnnxExportOptions options = parsed.GetValue(beside) ? new() { ExternalDataThresholdBytes = 0 } : new();
            OnnxExporter.Export(parsed.GetRequiredValue(checkpoint), target, options);
            console.Out.WriteLine(FormattableString.Invariant($"{target}: {Directory.EnumerateFiles(target).Sum(static file => new FileInfo(file).Length) / 1e6:F1} MB"));
        });
        return command;
    }
}

using System.CommandLine;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>export</c>: a checkpoint to an ONNX package, or to a GGUF file.</summary>
internal static class ExportCommand
{
    private static readonly Dictionary<string, GgufFormat> Gguf = new() { ["float32"] = GgufFormat.Float32, ["float16"] = GgufFormat.Float16, ["int8"] = GgufFormat.Q8_0, ["int4"] = GgufFormat.Q4_0 };

    private static readonly Dictionary<string, WeightFormat> Onnx = new()
    {
        ["float32"] = WeightFormat.Float32, ["float16"] = WeightFormat.Float16, ["bfloat16"] = WeightFormat.BFloat16, ["int8"] = WeightFormat.Int8, ["int4"] = WeightFormat.Int4,
    };

    public static Command Create(ToolConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "A checkpoint's folder, in Hugging Face's layout for GPT-1 or GPT-2." };
        var target = new Argument<string>("target") { Description = "The package's folder, where a package is replaced; or a file NAME.gguf, for llama.cpp." };
        var weights = new Option<string>("--weights") { Description = $"{string.Join(", ", Onnx.Keys)}; int8 and int4 are q8_0 and q4_0 in a GGUF file.", DefaultValueFactory = static _ => "float32" };
        weights.AcceptOnlyFromAmong([.. Onnx.Keys]);
        var standard = new Option<bool>("--standard-operators") { Description = "ONNX's own operators alone, for other runtimes than ONNX Runtime." };
        var beside = new Option<bool>("--weights-beside") { Description = "Put the weights into a file beside the graph, whatever their size." };
        Option<string?> adapter = AdapterOption();
        var command = new Command("export", "Writes a checkpoint as an ONNX package, or as a GGUF file.") { checkpoint, target, weights, standard, beside, adapter };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            (string source, string to, string format) = (parsed.GetRequiredValue(checkpoint), parsed.GetRequiredValue(target), parsed.GetRequiredValue(weights));
            if (to.Length == 0) throw new UsageException("The target is empty; name the package's folder, or a file NAME.gguf.");
            if (to.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            {
                if (parsed.GetValue(standard) || parsed.GetValue(beside)) throw new UsageException("--standard-operators and --weights-beside are of ONNX packages, and the target is a GGUF file; leave them out.");
                if (!Gguf.TryGetValue(format, out GgufFormat gguf)) throw new UsageException($"A GGUF file has no weights in {format}; take {string.Join(", ", Gguf.Keys)}.");
                if (parsed.GetValue(adapter) is { } merged) GgufExporter.ExportMerged(source, merged, to, gguf, cancellationToken);
                else GgufExporter.Export(source, to, gguf, cancellationToken);
            }
            else
            {
                if (parsed.GetValue(standard) && Onnx[format] is not (WeightFormat.Float32 or WeightFormat.Float16)) throw new UsageException($"{standard.Name} is given, and {weights.Name} is {format}, which they don't compute; leave out one of the two.");
                OnnxExportOptions options = new() { Weights = Onnx[format], Operators = parsed.GetValue(standard) ? GraphOperators.Standard : default };
                Write(source, parsed.GetValue(adapter), to, parsed.GetValue(beside) ? options with { ExternalDataThresholdBytes = 0 } : options, cancellationToken);
            }

            console.Out.WriteLine(SizeOf(to));
        });
        return command;
    }

    /// <summary>The option that names an adapter to merge.</summary>
    public static Option<string?> AdapterOption() => new("--adapter") { Description = "The folder of a LoRA adapter, in PEFT's layout, that is merged into the weights." };

    /// <summary>Writes a package, with an adapter merged where there is one.</summary>
    public static void Write(string checkpoint, string? adapter, string target, OnnxExportOptions options, CancellationToken cancellationToken)
    {
        if (adapter is null) OnnxExporter.Export(checkpoint, target, options, cancellationToken);
        else OnnxExporter.ExportMerged(checkpoint, adapter, target, options, cancellationToken);
    }

    /// <summary>What has been written, and its size.</summary>
    public static string SizeOf(string target)
    {
        IEnumerable<string> files = File.Exists(target) ? [target] : Directory.EnumerateFiles(target);
        return FormattableString.Invariant($"{target}: {files.Sum(static file => new FileInfo(file).Length) / 1e6:F1} MB");
    }
}

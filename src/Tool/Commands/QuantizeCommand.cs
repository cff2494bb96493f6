using System.CommandLine;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>quantize</c>: a checkpoint to an ONNX package whose matrices have 8 or 4 bits.</summary>
internal static class QuantizeCommand
{
    private static readonly Dictionary<string, QuantizationMethod> Methods = new() { ["scale-search"] = QuantizationMethod.ScaleSearch, ["round"] = QuantizationMethod.RoundToNearest };

    public static Command Create(ToolConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "A checkpoint's folder, in Hugging Face's layout for GPT-1 or GPT-2." };
        var target = new Argument<string>("target") { Description = "The package's folder, where a package is replaced." };
        var bits = new Option<int>("--bits") { Description = "The bits of a weight, 8 or 4.", DefaultValueFactory = static _ => 8 }.AsNumber();
        var block = new Option<int?>("--block") { Description = "How many weights share a scale: 32, 64 or 128. Default: 128 in 8 bits and 64 in 4, where the width is a multiple." }.AsNumber();
        var asymmetric = new Option<bool>("--asymmetric") { Description = "Give each block a zero point of its own: more exact, and slower." };
        var method = new Option<string>("--method") { Description = $"How scales are chosen: {string.Join(", ", Methods.Keys)}.", DefaultValueFactory = static _ => "scale-search" };
        method.AcceptOnlyFromAmong([.. Methods.Keys]);
        var embedding = new Option<int?>("--embedding-bits") { Description = "The bits of the token embedding and output head, 8 or 4. Default: --bits." }.AsNumber();
        var accuracy = new Option<int>("--accuracy") { Description = "What products may round activations to: 0 what ONNX Runtime chooses, 1 float32, 2 float16, 3 bfloat16, 4 int8.", DefaultValueFactory = static _ => 4 }.AsNumber();
        Option<string?> adapter = ExportCommand.AdapterOption();
        var command = new Command("quantize", "Writes a checkpoint as an ONNX package in 8 or 4 bits.") { checkpoint, target, bits, block, asymmetric, method, embedding, accuracy, adapter };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            string to = parsed.GetRequiredValue(target);
            if (to.Length == 0) throw new UsageException("The target is empty; name the package's folder.");
            if (to.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) throw new UsageException("A GGUF file has formats of its own; write it with 'export --weights int8' or 'int4'.");
            WeightFormat weights = parsed.GetValue(bits) switch
            {
                8 => WeightFormat.Int8,
                4 => WeightFormat.Int4,
                var other => throw new UsageException($"--bits is {other}; it must be 8 or 4."),
            };
            if (parsed.GetValue(block) is { } size and not (32 or 64 or 128)) throw new UsageException($"--block is {size}; it must be 32, 64 or 128.");
            if (parsed.GetValue(embedding) is { } kept and not (8 or 4)) throw new UsageException($"--embedding-bits is {kept}; it must be 8 or 4.");
            if (parsed.GetValue(accuracy) is var level and not (>= 0 and <= 4)) throw new UsageException($"--accuracy is {level}; it must be 0 to 4.");
            ExportCommand.Write(parsed.GetRequiredValue(checkpoint), parsed.GetValue(adapter), to, new()
            {
                Weights = weights,
                Quantization = new()
                {
                    BlockSize = parsed.GetValue(block),
                    Symmetric = !parsed.GetValue(asymmetric),
                    Method = Methods[parsed.GetRequiredValue(method)],
                    EmbeddingBits = parsed.GetValue(embedding),
                    AccuracyLevel = parsed.GetValue(accuracy),
                },
            }, cancellationToken);
            console.Out.WriteLine(ExportCommand.SizeOf(to));
        });
        return command;
    }
}

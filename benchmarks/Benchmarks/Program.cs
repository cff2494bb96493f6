using MLNet.Gpt.Benchmarks;

// One class a benchmark; benchmarks/run.sh chooses one by name and has done the set-up.
if (args is [ResumeBenchmark.ChildName, var folder]) return ResumeBenchmark.RunChild(folder);
if (args is [BusyMachine.ChildName, var parent]) return BusyMachine.RunChild(parent);
if (args is [FuzzBenchmark.ChildName, var parser, var first, var count, var state]) return FuzzBenchmark.RunChild(parser, first, count, state);
if (args is [DecodingProcess.ChildName, var engine, var model]) return DecodingProcess.RunChild(engine, model);
if (args is [SaveLoadBenchmark.ChildName, var kind, var path]) return SaveLoadBenchmark.RunChild(kind, path);
var options = new BenchmarkArguments(args.Skip(1));
switch (args.FirstOrDefault())
{
    case "pretrain-char": return PretrainBenchmark.Run("pretrain-char", PretrainSetting.Character, options);
    case "pretrain-10m": return PretrainBenchmark.Run("pretrain-10m", PretrainSetting.TenMillion, options);
    case "pretrain-85m": return PretrainBenchmark.Run("pretrain-85m", PretrainSetting.EightyFiveMillion, options);
    case "scaling": return ScalingBenchmark.Run(options);
    case "kernels": return KernelsBenchmark.Run(options);
    case "tokenize": return TokenizeBenchmark.Run(options);
    case "constrained": return ConstrainedBenchmark.Run(options);
    case "memory": return MemoryBenchmark.Run(options);
    case "gpt2-gpu": return Gpt2GpuBenchmark.Run(options);
    case "resume": return ResumeBenchmark.Run(options);
    case "classify": return ClassifyBenchmark.Run(options);
    case "frozen": return FrozenBenchmark.Run(options);
    case "rlhf": return RlhfBenchmark.Run(options);
    case "rollout": return RolloutBenchmark.Run(options);
    case "decode": return DecodeBenchmark.Run(options);
    case "decode-gpu": return DecodeGpuBenchmark.Run(options);
    case "quantize": return QuantizeBenchmark.Run(options);
    case "heads": return HeadsBenchmark.Run(options);
    case "save-load": return SaveLoadBenchmark.Run(options);
    case "onnx-checker": return OnnxCheckerBenchmark.Run(options);
    case "batch-rows": return BatchRowsBenchmark.Run(options);
    case "app": return AppBenchmark.Run(options);
    case "fuzz": return FuzzBenchmark.Run(options);
    case LibtorchProbe.Name: return LibtorchProbe.Run(options);
    default:
        Console.Error.WriteLine($"There is no benchmark '{args.FirstOrDefault()}'. Run benchmarks/run.sh list.");
        return 2;
}

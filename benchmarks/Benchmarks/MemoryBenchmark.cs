using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Peak memory of training, with and without activation checkpointing, each side in a process of its own: VmHWM when it ends.</summary>
internal static class MemoryBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        PretrainSetting setting = PretrainSetting.EightyFiveMillion with { Steps = arguments.Int("--steps", 3), BFloat16 = false };
        setting = setting with
        {
            Batch = arguments.Int("--batch", setting.Batch),
            Layers = arguments.Int("--layers", setting.Layers),
            Context = arguments.Int("--context", setting.Context),
        };
        string side = arguments.Text("--side", "");
        arguments.RefuseOthers();
        string path = Repository.TestData("tinyshakespeare.txt");
        switch (side)
        {
            case "": break;
            case "plain" or "checkpointed": return Train(setting, path, side == "checkpointed");
            default: throw new ArgumentException($"--side is '{side}'; it is for the benchmark's own child processes: plain or checkpointed.");
        }

        Console.WriteLine($"memory: {setting.Layers} layers of {setting.Width}, context {setting.Context}, batch {setting.Batch}, float32, {setting.Steps} steps; each row a process of its own");
        Console.WriteLine("\n                                     peak, MiB   tokens/s");
        Measured ours = Row("ours", Child(setting, "plain")), oursSaving = Row("ours, activation checkpointing", Child(setting, "checkpointed"));
        Measured peer = Row("peer", TrainPeer(setting, path, false)), peerSaving = Row("peer, torch.utils.checkpoint", TrainPeer(setting, path, true));
        Console.WriteLine();
        Console.WriteLine(Invariant($"memory ours={ours.Megabytes:F0} peer={peer.Megabytes:F0} ratio={ours.Megabytes / peer.Megabytes:F3} ours_checkpointing={oursSaving.Megabytes:F0} peer_checkpointing={peerSaving.Megabytes:F0} ratio_checkpointing={oursSaving.Megabytes / peerSaving.Megabytes:F3} unit=MiB"));
        return 0;

        static Measured Row(string name, Measured m)
        {
            Console.WriteLine(Invariant($"{name,-34}{m.Megabytes,12:N0}{m.TokensPerSecond,11:N0}"));
            return m;
        }
    }

    private static int Train(PretrainSetting setting, string path, bool checkpointing)
    {
        string text = File.ReadAllText(path);
        PretrainBenchmark.Measured measured = PretrainBenchmark.Train(setting, text, GptTokenizer.FromCharacters([text]), 1, GptPrecision.Float32, checkpointing);
        Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, double> { ["peak_rss_mb"] = PeakMegabytes(), ["tokens_per_second"] = measured.TokensPerSecond }));
        return 0;
    }

    private static Measured Child(PretrainSetting setting, string side)
    {
        string result = ThisProgram.LastLine("memory", "--side", side, "--steps", Text(setting.Steps), "--batch", Text(setting.Batch), "--layers", Text(setting.Layers), "--context", Text(setting.Context));
        return Parse(JsonDocument.Parse(result).RootElement);
    }

    private static Measured TrainPeer(PretrainSetting setting, string path, bool checkpointing) =>
        Parse(PretrainBenchmark.RunPeer(setting, path, checkpointing ? [("--checkpointing", null)] : []));

    private static Measured Parse(JsonElement result) => new(result.GetProperty("peak_rss_mb").GetDouble(), result.GetProperty("tokens_per_second").GetDouble());

    /// <summary>The most memory that this process ever had resident.</summary>
    private static double PeakMegabytes()
    {
        string line = File.ReadLines("/proc/self/status").First(static l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Measured(double Megabytes, double TokensPerSecond);
}

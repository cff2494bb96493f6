using System.Diagnostics;
using System.Text.Json;

namespace MLNet.Gpt.Transforms.Tests.ModelFormat;

[TestClass]
public sealed class FreshProcessTests
{
    private static string AppPath => Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Transforms.Tests.LoadApp.dll");

    [TestMethod]
    public void A_process_that_never_names_our_types_loads_the_model_and_predicts_the_same()
    {
        using var saved = new SavedPipeline();
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[AppPath, saved.ZipPath, .. SavedPipeline.Prompts])
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, errors.Result);

        var options = new JsonSerializerOptions { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };
        LoadApp.Answer[] answers = [.. lines[..^1].Select(line => JsonSerializer.Deserialize<LoadApp.Answer>(line, options)!)];
        SavedPipeline.AssertSame([.. saved.Answers, .. saved.Answers], answers); // as a batch, then one by one
        string[] assemblies = lines[^1].Split(' ');
        CollectionAssert.Contains(assemblies, "MLNet.Gpt.Transforms");
        Assert.IsFalse(assemblies.Any(name => name.Contains("TorchSharp") || name.Contains("Trainers")), lines[^1]);
    }

    [TestMethod]
    public void The_deployed_app_carries_neither_torchsharp_nor_the_compilers_stub()
    {
        string dependencies = File.ReadAllText(Path.ChangeExtension(AppPath, ".deps.json"));
        StringAssert.Contains(dependencies, "MLNet.Gpt.Transforms");
        foreach (string absent in (string[])["TorchSharp", "libtorch", "0.0.0.1", "MLNet.Gpt.Trainers"])
            Assert.IsFalse(dependencies.Contains(absent, StringComparison.OrdinalIgnoreCase), absent);
    }
}

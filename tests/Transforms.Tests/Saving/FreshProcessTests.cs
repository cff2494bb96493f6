using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class FreshProcessTests
{
    private static string AppPath => Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Transforms.Tests.LoadApp.dll");

    [TestMethod]
    public void A_process_that_never_names_our_types_loads_the_model_and_predicts_the_same()
    {
        using var saved = new SavedPipeline();
        string[] lines = Run([saved.ZipPath, .. SavedPipeline.Prompts]);

        var options = new JsonSerializerOptions { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };
        LoadApp.Answer[] answers = [.. lines[..^1].Select(line => JsonSerializer.Deserialize<LoadApp.Answer>(line, options)!)];
        SavedPipeline.AssertSame([.. saved.Answers, .. saved.Answers], answers); // as a batch, then one by one
        HasNoTorch(lines[^1]);
    }

    [TestMethod]
    public void A_classifier_loads_there_too_and_gives_the_same_probabilities()
    {
        using var folder = new TemporaryFolder();
        string[] texts = ["a cab", "", "bead and face"];
        var ml = new MLContext();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        IDataView rows = ml.Data.LoadFromEnumerable(texts.Select(static text => new LoadApp.Question { Text = text }));
        ClassifyTextTransformer saved = ml.Gpt().Transforms.ClassifyText("Score", "Text", model).Fit(rows);
        ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        float[][] expected = [.. ml.Data.CreateEnumerable<LoadApp.Classified>(saved.Transform(rows), reuseRowObject: false).Select(static row => row.Score)];

        string[] lines = Run(["--classify", folder["model.zip"], .. texts]);
        float[][] found = [.. lines[..^1].Select(static line => JsonSerializer.Deserialize<LoadApp.Classified>(line)!.Score)];
        Assert.HasCount(6, found);
        // A row may be computed in another batch there: the last bits of a float32 sum differ.
        for (int i = 0; i < found.Length; i++)
            for (int k = 0; k < expected[0].Length; k++) Assert.AreEqual(expected[i % 3][k], found[i][k], 1e-6f, $"text {i}, class {k}");
        HasNoTorch(lines[^1]);
    }

    [TestMethod]
    [DataRow(RewardReadout.LastToken)]
    [DataRow(RewardReadout.ReadoutToken)]
    public void A_reward_model_loads_there_too_and_gives_the_same_rewards(RewardReadout readout)
    {
        using var folder = new TemporaryFolder();
        string[] texts = ["a cab", "", "bead"];
        var ml = new MLContext();
        using GptRewardModel model = GptRewardModel.FromOnnx(TestModels.WriteReward(folder, new RewardHead { Readout = readout }), GptDevice.Cpu);
        IDataView rows = ml.Data.LoadFromEnumerable(texts.Select(static text => new LoadApp.Question { Text = text }));
        ScoreResponseTransformer saved = ml.Gpt().Transforms.ScoreResponse("Score", "Text", "Text", model).Fit(rows);
        ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        float[] expected = [.. ml.Data.CreateEnumerable<LoadApp.Scored>(saved.Transform(rows), reuseRowObject: false).Select(static row => row.Score)];
        Assert.AreEqual(3, expected.Distinct().Count());

        string[] lines = Run(["--rank", folder["model.zip"], .. texts]);
        float[] found = [.. lines[..^1].Select(static line => JsonSerializer.Deserialize<LoadApp.Scored>(line)!.Score)];
        Assert.HasCount(6, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i % 3], found[i], 1e-5f, $"text {i}");
        HasNoTorch(lines[^1]);
    }

    private static string[] Run(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[AppPath, .. arguments]) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, errors.Result);
        return lines;
    }

    private static void HasNoTorch(string loaded)
    {
        string[] assemblies = loaded.Split(' ');
        CollectionAssert.Contains(assemblies, "MLNet.Gpt.Transforms");
        Assert.IsFalse(assemblies.Any(name => name.Contains("TorchSharp") || name.Contains("Trainers")), loaded);
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

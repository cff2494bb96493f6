using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class FreshProcessTests
{
    private static string AppPath => Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Transforms.Tests.LoadApp.dll");

    [TestMethod]
    [DataRow(WeightFormat.Float32)]
    [DataRow(WeightFormat.Int8)]
    [DataRow(WeightFormat.Int4)]
    public void A_process_that_never_names_our_types_loads_the_model_and_predicts_the_same(WeightFormat weights)
    {
        using var saved = new SavedPipeline(weights: weights);
        Assert.AreEqual(weights, ((OnnxCausalModel)saved.Model.Engine).Weights);
        PredictsTheSame(saved);
    }

    [TestMethod]
    public void A_tools_schema_holds_the_texts_there_too()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!é{}\":,-0123456789"]);
        AIFunction tool = AIFunctionFactory.Create((bool a, bool b) => a && b, "both");
        var generation = new GenerateTextOptions { MaxNewTokens = 30, Temperature = 1.5f, Seed = 3, BatchSize = 2, Constraint = TextConstraint.JsonSchema(tool.JsonSchema.GetRawText()), PromptOverflow = PromptOverflow.KeepTail };
        using var saved = new SavedPipeline(tokenizer: tokenizer, generation: generation);
        foreach (LoadApp.Answer answer in PredictsTheSame(saved))
        {
            using JsonDocument call = JsonDocument.Parse(answer.Reply);
            CollectionAssert.AreEquivalent(new[] { "a", "b" }, call.RootElement.EnumerateObject().Select(static property => property.Name).ToArray());
        }
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
    public void Vectors_are_the_same_there()
    {
        using var folder = new TemporaryFolder();
        string[] texts = ["a cab", "", "bead and face"];
        var ml = new MLContext();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        IDataView rows = ml.Data.LoadFromEnumerable(texts.Select(static text => new LoadApp.Question { Text = text }));
        EmbedTextTransformer saved = ml.Gpt().Transforms.EmbedText("Vector", "Text", model).Fit(rows);
        ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        float[][] expected = [.. ml.Data.CreateEnumerable<LoadApp.Embedded>(saved.Transform(rows), reuseRowObject: false).Select(static row => row.Vector)];

        string[] lines = Run(["--embed", folder["model.zip"], .. texts]);
        float[][] found = [.. lines[..^1].Select(static line => JsonSerializer.Deserialize<LoadApp.Embedded>(line)!.Vector)];
        Assert.HasCount(6, found);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.HasCount(16, found[i]);
            for (int k = 0; k < 16; k++) Assert.AreEqual(expected[i % 3][k], found[i][k], 1e-6f, $"text {i}");
        }

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

    /// <summary>What the other process gives, as a batch and then one by one, is what was given before saving.</summary>
    private static LoadApp.Answer[] PredictsTheSame(SavedPipeline saved)
    {
        string[] lines = Run([saved.ZipPath, .. SavedPipeline.Prompts]);
        var options = new JsonSerializerOptions { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };
        LoadApp.Answer[] answers = [.. lines[..^1].Select(line => JsonSerializer.Deserialize<LoadApp.Answer>(line, options)!)];
        SavedPipeline.AssertSame([.. saved.Answers, .. saved.Answers], answers);
        HasNoTorch(lines[^1]);
        return answers;
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

using System.Diagnostics;

namespace MLNet.Gpt.EndToEnd.Tests;

[TestClass]
public sealed class LossPredictionTests
{
    [TestMethod]
    public void The_loss_prediction_example_trains_predicts_checks_and_draws()
    {
        using var folder = new TemporaryFolder();
        (int code, string output) = Run(folder, "--quick", "--out", folder["prediction"]);
        Assert.AreEqual(0, code, output);
        foreach (string said in (string[])["L(N, D) = ", "95 % interval", "measured", "not judged"]) StringAssert.Contains(output, said);
        StringAssert.StartsWith(File.ReadAllText(folder["prediction/prediction.svg"]), "<svg");
        Assert.AreEqual(2, Run(folder, "--fast").Code);
    }

    private static (int Code, string Output) Run(TemporaryFolder folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder.Path,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "LossPrediction.dll"));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}

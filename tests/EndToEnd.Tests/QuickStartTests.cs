using System.Diagnostics;

namespace MLNet.Gpt.EndToEnd.Tests;

[TestClass]
public sealed class QuickStartTests
{
    [TestMethod]
    public void The_quick_start_goes_the_whole_way_and_ends_well()
    {
        using var folder = new TemporaryFolder();
        (int code, string output) = Run(QuickStart, folder, "--steps", "12", "--out", folder["run"]);
        Assert.AreEqual(0, code, output);
        foreach (string held in (string[])["ok: the validation loss fell", "ok: TorchSharp and ONNX Runtime agree", "ok: the loaded pipeline writes what the saved one wrote", "All of it held"])
            StringAssert.Contains(output, held);
        Assert.IsTrue(File.Exists(folder["run/model.zip"]));
    }

    [TestMethod]
    public void The_classification_example_goes_the_whole_way()
    {
        using var folder = new TemporaryFolder();
        (int code, string output) = Run(Path.Combine(AppContext.BaseDirectory, "Classification.dll"), folder, "--steps", "30", "--labels", "40", "--out", folder["run"]);
        Assert.AreEqual(0, code, output);
        foreach (string held in (string[])["ok: it does better than the largest class", "ok: TorchSharp and ONNX Runtime agree", "ok: the loaded pipeline predicts", "All of it held"])
            StringAssert.Contains(output, held);
        Assert.AreEqual(2, Run(Path.Combine(AppContext.BaseDirectory, "Classification.dll"), folder, "--epochs", "3").Code);
    }

    [TestMethod]
    public void The_quick_start_reads_another_text_and_refuses_an_unknown_option()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["own.txt"], string.Join("\n\n", Texts.Sentences(400).Select(static row => row.Text)));
        (int code, string output) = Run(QuickStart, folder, "--steps", "8", "--out", folder["run"], "--text", folder["own.txt"]);
        Assert.AreEqual(0, code, output);
        StringAssert.Contains(output, "400 documents");
        Assert.AreEqual(2, Run(QuickStart, folder, "--epochs", "3").Code);
    }

    [TestMethod]
    public void Without_the_native_library_the_error_names_the_package_to_reference()
    {
        // The app as it is, less whatever is not managed code.
        using var folder = new TemporaryFolder();
        string source = Path.GetDirectoryName(QuickStart)!, copy = Directory.CreateDirectory(folder["app"]).FullName;
        foreach (string file in Directory.EnumerateFiles(source).Where(static f => Path.GetExtension(f) is ".dll" or ".json")) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        (int code, string output) = Run(Path.Combine(copy, Path.GetFileName(QuickStart)), folder, "--steps", "1", "--out", folder["run"]);
        Assert.AreNotEqual(0, code);
        StringAssert.Contains(output, "NativeLibraryException");
        StringAssert.Contains(output, "TorchSharp-cpu");
    }

    private static string QuickStart => Path.Combine(AppContext.BaseDirectory, "QuickStart.dll");

    private static (int Code, string Output) Run(string assembly, TemporaryFolder folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder.Path,
        };
        start.ArgumentList.Add(assembly);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}

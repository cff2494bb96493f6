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
    public void The_alignment_example_goes_from_the_base_to_the_report()
    {
        using var folder = new TemporaryFolder();
        string assembly = Path.Combine(AppContext.BaseDirectory, "Alignment.dll");
        (int code, string output) = Run(assembly, folder, "--quick", "--out", folder["run"]);
        Assert.AreEqual(0, code, output);
        foreach (string said in (string[])["grade 4:", "reward model     pair accuracy", "preferred to the fine-tuned model", "nats a response", "Done in"]) StringAssert.Contains(output, said);
        string page = File.ReadAllText(folder["run/report.html"]);
        foreach (string part in (string[])["<svg", "score of a rollout's responses", "judge's score", "</html>"]) StringAssert.Contains(page, part);
        Assert.IsFalse(page.Contains("<script", StringComparison.Ordinal) || page.Contains("src=", StringComparison.Ordinal));
        Assert.AreEqual(2, Run(assembly, folder, "--fast").Code);
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
    public void An_example_replaces_an_earlier_run_and_no_other_folder()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["own.txt"], string.Join("\n\n", Texts.Sentences(400).Select(static row => row.Text)));
        foreach ((string example, string[] options) in ((string, string[])[])[("QuickStart", ["--steps", "8", "--text", folder["own.txt"]]), ("Classification", ["--steps", "8"]), ("Alignment", ["--quick"])])
        {
            Directory.CreateDirectory(folder[example]);
            File.WriteAllText(folder[$"{example}/thesis.txt"], "mine");
            (int code, string output) = Run(Path.Combine(AppContext.BaseDirectory, $"{example}.dll"), folder, [.. options, "--out", folder[example]]);
            Assert.AreEqual(2, code, output);
            StringAssert.Contains(output, "holds something other than an earlier run");
            Assert.AreEqual("mine", File.ReadAllText(folder[$"{example}/thesis.txt"]));
        }

        for (int i = 0; i < 2; i++)
        {
            (int code, string output) = Run(QuickStart, folder, "--steps", "8", "--out", folder["run"], "--text", folder["own.txt"]);
            Assert.AreEqual(0, code, output);
            Assert.IsFalse(File.Exists(folder["run/left.txt"]));
            File.WriteAllText(folder["run/left.txt"], "of the first run");
        }
    }

    [TestMethod]
    public void An_example_does_not_replace_what_it_is_to_read()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["run/base"]);
        File.WriteAllText(folder["run/.example-run"], "");
        File.WriteAllText(folder["run/base/text.txt"], "mine");
        foreach ((string example, string option) in ((string, string)[])[("QuickStart", "--text"), ("Alignment", "--base")])
        {
            (int code, string output) = Run(Path.Combine(AppContext.BaseDirectory, $"{example}.dll"), folder, option, folder["run/base/text.txt"], "--out", folder["run"]);
            Assert.AreEqual(2, code, output);
            StringAssert.Contains(output, "lies in the run folder");
            Assert.AreEqual("mine", File.ReadAllText(folder["run/base/text.txt"]));
        }

        Assert.AreEqual(2, Run(QuickStart, folder, "--text", folder["none.txt"]).Code);
    }

    private static string QuickStart => Path.Combine(AppContext.BaseDirectory, "QuickStart.dll");

    private static (int Code, string Output) Run(string assembly, TemporaryFolder folder, params string[] arguments) => AppProcess.Run(folder.Path, [assembly, .. arguments]);
}

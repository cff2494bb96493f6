using System.Diagnostics;

namespace MLNet.Gpt.Architecture.Tests.Scripts;

/// <summary>The script that unpacks the GPU bundle, on a bundle whose program only says that it ran.</summary>
[TestClass]
public sealed class GpuBundleTests
{
    private string _folder = "";

    private string Bundle => Path.Combine(_folder, "bundle");

    [TestInitialize]
    public void Make()
    {
        if (!OperatingSystem.IsLinux() || Run("bash", _folder, "-c", "command -v xz tar sha256sum split").Code != 0) Assert.Inconclusive("The bundle is made and unpacked on Linux, with xz, tar, sha256sum and split.");
        _folder = Directory.CreateTempSubdirectory("mlnet-gpt-bundle-").FullName;
        (int code, string output) = Run("bash", _folder, "-euc", """
            mkdir -p packed/mlnet-gpt-gpu bundle
            printf '#!/usr/bin/env bash\necho "ran $*"\n' > packed/mlnet-gpt-gpu/run.sh
            chmod +x packed/mlnet-gpt-gpu/run.sh
            tar -C packed -cf - mlnet-gpt-gpu | xz | split -b 100 -d - bundle/mlnet-gpt-gpu.tar.xz.
            cd bundle && sha256sum mlnet-gpt-gpu.tar.xz.* > mlnet-gpt-gpu.sha256
            """);
        Assert.AreEqual(0, code, output);
        File.Copy(Repository.PathOf("eng", "gpu", "start.sh"), Path.Combine(Bundle, "start.sh"));
    }

    [TestCleanup]
    public void Clean()
    {
        if (_folder.Length > 0) Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void The_pieces_are_unpacked_once_and_the_program_gets_the_options()
    {
        Assert.AreEqual((0, "ran --tiny\n"), Start(null, "--tiny"));
        string mark = Path.Combine(Bundle, "unpacked", "mark");
        File.WriteAllText(mark, "");
        Assert.AreEqual((0, "ran \n"), Start(null));
        Assert.IsTrue(File.Exists(mark), "what is unpacked is used again");
        File.Delete(Path.Combine(Bundle, "unpacked", "sums"));   // as if it had been stopped before its end
        Assert.AreEqual((0, "ran \n"), Start(null));
        Assert.IsFalse(File.Exists(mark), "what was not unpacked to the end is unpacked anew");
    }

    [TestMethod]
    public void A_folder_that_holds_something_else_stays_as_it_is()
    {
        string own = Directory.CreateDirectory(Path.Combine(_folder, "own")).FullName, file = Path.Combine(own, "thesis.txt");
        File.WriteAllText(file, "text");
        (int code, string output) = Start(own);
        Assert.AreEqual(1, code);
        StringAssert.Contains(output, $"'{own}' holds something else than this bundle");
        Assert.AreEqual("text", File.ReadAllText(file));
    }

    [TestMethod]
    public void A_damaged_piece_is_told_and_nothing_runs()
    {
        File.AppendAllText(Path.Combine(Bundle, "mlnet-gpt-gpu.tar.xz.01"), "x");
        (int code, string output) = Start(null);
        Assert.AreEqual(1, code);
        StringAssert.Contains(output, "a piece of the bundle is missing or damaged");
        Assert.IsFalse(output.Contains("ran", StringComparison.Ordinal));
    }

    private (int Code, string Output) Start(string? folder, params string[] options) => Run(Path.Combine(Bundle, "start.sh"), _folder, folder, options);

    private static (int Code, string Output) Run(string program, string folder, params string[] arguments) => Run(program, folder, null, arguments);

    private static (int Code, string Output) Run(string program, string folder, string? unpackTo, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("GPT_GPU_FOLDER");
        if (unpackTo is not null) start.Environment["GPT_GPU_FOLDER"] = unpackTo;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}

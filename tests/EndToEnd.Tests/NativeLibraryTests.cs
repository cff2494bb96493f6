namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>What an app is told that TorchSharp's native library can't be loaded in: the quick start, with other native files beside it.</summary>
[TestClass]
public sealed class NativeLibraryTests
{
    private const string TorchSharpLibrary = "libLibTorchSharp.so";

    /// <summary>As it is in the package, not mended.</summary>
    private static string OriginalLibrary => Path.Combine(BuildFacts.Of("TorchSharpPackage"), "runtimes", "linux-x64", "native", TorchSharpLibrary);

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Without_a_native_library_the_error_names_the_packages_to_reference()
    {
        using var folder = new TemporaryFolder();
        string output = Fail(folder, CopyApp(folder));
        StringAssert.Contains(output, "MLNet.Gpt.NativeLibraryException: The native library of TorchSharp can't be loaded: the app brings no libLibTorchSharp.so. Reference the package TorchSharp-cpu, or TorchSharp-cuda-linux / TorchSharp-cuda-windows");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void With_the_TorchSharp_package_alone_the_error_names_libtorch_and_the_packages_that_bring_it()
    {
        using var folder = new TemporaryFolder();
        string app = CopyApp(folder);
        File.Copy(OriginalLibrary, Path.Combine(app, TorchSharpLibrary));
        string output = Fail(folder, app);
        StringAssert.Contains(output, "MLNet.Gpt.NativeLibraryException: The native library of TorchSharp can't be loaded: the app brings no libtorch.so. Reference the package TorchSharp-cpu, or TorchSharp-cuda-linux / TorchSharp-cuda-windows");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void On_a_system_whose_libstdcxx_is_too_old_the_error_names_both_versions_and_systems_that_have_it()
    {
        if (File.ReadAllBytes(OriginalLibrary).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, TorchSharpLibrary))))
            Assert.Inconclusive("This system's libstdc++ is new enough for TorchSharp's native library.");

        using var folder = new TemporaryFolder();
        string app = CopyApp(folder);
        LinkNativeFiles(app, static name => name != TorchSharpLibrary);
        File.Copy(OriginalLibrary, Path.Combine(app, TorchSharpLibrary));
        string output = Fail(folder, app);
        // GCC 12's libstdc++, of Debian 12 and Ubuntu 22.04, ends at 3.4.30.
        StringAssert.Matches(output, new(@"MLNet\.Gpt\.NativeLibraryException: The native library of TorchSharp can't be loaded: this system is too old for it: \S+/libstdc\+\+\.so\.6 ends at (GLIBCXX_[\d.]+) and lacks GLIBCXX_3\.4\.32, which libLibTorchSharp\.so needs\. Run on a system that has it: Ubuntu 24\.04, Debian 13, or later\."));
        string system = File.Exists("/etc/os-release") ? File.ReadAllText("/etc/os-release") : "";
        if (system.Contains("VERSION_ID=\"12\"", StringComparison.Ordinal) || system.Contains("VERSION_ID=\"22.04\"", StringComparison.Ordinal)) StringAssert.Contains(output, "ends at GLIBCXX_3.4.30 ");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Without_ONNX_Runtime_the_error_names_its_packages()
    {
        using var folder = new TemporaryFolder();
        string app = CopyApp(folder);
        LinkNativeFiles(app, static name => !name.StartsWith("libonnxruntime", StringComparison.Ordinal));
        string output = Fail(folder, app);
        StringAssert.Contains(output, "validation loss");
        StringAssert.Contains(output, "MLNet.Gpt.NativeLibraryException: The native library of ONNX Runtime can't be loaded: the app brings no libonnxruntime.so. Reference the package Microsoft.ML.OnnxRuntime (CPU) or Microsoft.ML.OnnxRuntime.Gpu (CUDA)");
    }

    /// <summary>The quick start less whatever is not managed code.</summary>
    private static string CopyApp(TemporaryFolder folder)
    {
        string app = Directory.CreateDirectory(folder["app"]).FullName;
        foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory).Where(static file => Path.GetExtension(file) is ".dll" or ".json"))
            File.Copy(file, Path.Combine(app, Path.GetFileName(file)));
        return app;
    }

    private static void LinkNativeFiles(string app, Func<string, bool> chosen)
    {
        foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.so*").Where(file => chosen(Path.GetFileName(file))))
            File.CreateSymbolicLink(Path.Combine(app, Path.GetFileName(file)), file);
    }

    private static string Fail(TemporaryFolder folder, string app)
    {
        (int code, string output) = AppProcess.Run(folder.Path, Path.Combine(app, "QuickStart.dll"), "--steps", "1", "--out", folder["run"]);
        Assert.AreNotEqual(0, code, output);
        // TorchSharp's own text is never reached, nor the copy of libtorch that it makes on the way.
        Assert.IsFalse(output.Contains("doesn't contain a reference", StringComparison.Ordinal) || output.Contains("LoadNativeBackend", StringComparison.Ordinal), output);
        Assert.IsFalse(Directory.Exists(Path.Combine(app, "cpu")));
        return output;
    }
}

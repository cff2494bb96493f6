using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>An ONNX package in a fresh folder, deleted with it.</summary>
internal sealed class TestPackage : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("mlnet-gpt-").FullName;

    private TestPackage() => Folder = Path.Combine(root, "package");

    public string Folder { get; }

    public string ModelPath => this[OnnxPackageLayout.ModelFile];

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>A package with the formula's weights.</summary>
    public static TestPackage Of(GptConfig config, OnnxExportOptions? options = null)
    {
        var package = new TestPackage();
        OnnxExporter.Write(new FormulaWeights(config), package.Folder, options);
        return package;
    }

    /// <summary>A package whose weights lie beside the graph.</summary>
    public static TestPackage WithDataFile(GptConfig config) => Of(config, new OnnxExportOptions { ExternalDataThresholdBytes = 0 });

    /// <summary>A copy of the package that PyTorch's exporter wrote.</summary>
    public static TestPackage Foreign()
    {
        var package = new TestPackage();
        Directory.CreateDirectory(package.Folder);
        foreach (string name in (ReadOnlySpan<string>)[OnnxPackageLayout.ModelFile, OnnxPackageLayout.ConfigFile])
            File.Copy(Path.Combine(AppContext.BaseDirectory, "fixtures", "foreign-package", name), package[name]);
        return package;
    }

    public OnnxCausalModel Load() => OnnxCausalModel.Load(Folder, GptDevice.Cpu);

    /// <summary>Replaces bytes of a file by as many others.</summary>
    public void Replace(string name, ReadOnlySpan<byte> old, ReadOnlySpan<byte> with)
    {
        byte[] bytes = File.ReadAllBytes(this[name]);
        int found = 0;
        for (int at; (at = bytes.AsSpan().IndexOf(old)) >= 0; found++) with.CopyTo(bytes.AsSpan(at));
        Assert.IsGreaterThan(0, found, $"'{name}' does not hold what is to be replaced.");
        File.WriteAllBytes(this[name], bytes);
    }

    /// <summary>A path beside the package's folder.</summary>
    public string Beside(string name) => Path.Combine(root, name);

    public void Dispose() => Directory.Delete(root, recursive: true);
}

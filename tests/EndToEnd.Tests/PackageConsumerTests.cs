using System.IO.Compression;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>The world of somebody who has the packages and nothing of this repository.</summary>
[TestClass]
public sealed partial class PackageConsumerTests
{
    private static readonly string[] Packages = ["MLNet.Gpt.Core", "MLNet.Gpt.Export", "MLNet.Gpt.Trainers", "MLNet.Gpt.Transforms"];

    private static readonly string Root = BuildFacts.Of("RepositoryRoot");

    [TestMethod]
    public void A_console_project_outside_the_repository_runs_the_readmes_snippet_from_the_packages()
    {
        using var folder = new TemporaryFolder();
        // A version that no package cache has seen.
        string version = $"0.0.0-test.{Guid.NewGuid():N}";
        try
        {
            // 1. The four packages: Trainers refers to the others.
            Dotnet(Root, "build", Path.Combine(Root, "src/Trainers"), "-c", "Release", "--artifacts-path", folder["artifacts"], $"-p:Version={version}",
                "-p:GeneratePackageOnBuild=true", $"-p:PackageOutputPath={folder["packages"]}");
            CollectionAssert.AreEquivalent(Packages.SelectMany(name => new[] { $"{name}.{version}.nupkg", $"{name}.{version}.snupkg" }).ToArray(), Directory.GetFiles(folder["packages"]).Select(Path.GetFileName).ToArray());
            foreach (string package in Packages) CheckContents(package);
            CollectionAssert.AreEquivalent(new[] { "MLNet.Gpt.Core", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.VectorData.Abstractions", "Microsoft.ML", "Microsoft.ML.OnnxRuntime.Managed" },
                Dependencies("MLNet.Gpt.Transforms"), "a deploying app gets neither TorchSharp nor a choice of native library");

            // 2. A project of its own, with the sources that this machine has and one more.
            string app = Directory.CreateDirectory(folder["app"]).FullName;
            Dotnet(app, "new", "console", "--no-restore", "--name", "Consumer", "--output", ".");
            File.WriteAllText(Path.Combine(app, "nuget.config"), """<configuration><packageSources><add key="mlnet-gpt-test" value="../packages" /></packageSources></configuration>""");
            File.WriteAllText(Path.Combine(app, "Program.cs"), ReadmeSnippet());
            foreach ((string package, string which) in ((string, string)[])[("MLNet.Gpt.Trainers", version), ("TorchSharp-cpu", CentralVersion("TorchSharp-cpu")), ("Microsoft.ML.OnnxRuntime", CentralVersion("Microsoft.ML.OnnxRuntime"))])
                Dotnet(app, "add", "package", package, "--version", which, "--no-restore");
            Dotnet(app, "build", "-c", "Release", "--output", "out", "--use-current-runtime", "--no-self-contained", "-p:CreateHardLinksForCopyLocalIfPossible=true");

            // 3. TorchSharp's library as this system can load it. The one in place may be a link into the package cache: it is taken away, not written over.
            string library = OperatingSystem.IsWindows() ? "LibTorchSharp.dll" : OperatingSystem.IsMacOS() ? "libLibTorchSharp.dylib" : "libLibTorchSharp.so";
            File.Delete(Path.Combine(app, "out", library));
            File.Copy(Path.Combine(AppContext.BaseDirectory, library), Path.Combine(app, "out", library));

            // 4. Train, export, save.
            string place = Directory.CreateDirectory(folder["place"]).FullName;
            File.WriteAllLines(Path.Combine(place, "articles.txt"), Texts.Sentences(200).Select(static row => row.Text));
            string output = Dotnet(place, Path.Combine(app, "out", "Consumer.dll"));
            StringAssert.Contains(output, "step 3/3");
            foreach (string file in (string[])["model.zip", "articles-onnx/model.onnx", "articles-onnx/tokenizer.json", "runs/articles/loss.svg"])
                Assert.IsTrue(File.Exists(Path.Combine(place, file)), $"{file}\n{output}");
        }
        finally
        {
            foreach (string package in Packages)
            {
                string unpacked = Path.Combine(BuildFacts.Of("PackageCache"), package.ToLowerInvariant());
                if (Directory.Exists(Path.Combine(unpacked, version))) Directory.Delete(Path.Combine(unpacked, version), recursive: true);
                if (Directory.Exists(unpacked) && !Directory.EnumerateFileSystemEntries(unpacked).Any()) Directory.Delete(unpacked);
            }
        }

        string[] Dependencies(string package)
        {
            using ZipArchive archive = ZipFile.OpenRead(Path.Combine(folder["packages"], $"{package}.{version}.nupkg"));
            return [.. DependencyId().Matches(Text(archive, $"{package}.nuspec")).Select(static match => match.Groups[1].Value)];
        }

        // The assembly and its documentation, what a gallery shows, and nothing else; the symbols beside.
        void CheckContents(string package)
        {
            using ZipArchive archive = ZipFile.OpenRead(Path.Combine(folder["packages"], $"{package}.{version}.nupkg"));
            string[] entries = [.. archive.Entries.Select(static entry => entry.FullName).Where(static name => !name.StartsWith("_rels/", StringComparison.Ordinal) && !name.StartsWith("package/", StringComparison.Ordinal))];
            CollectionAssert.AreEquivalent(new[] { $"{package}.nuspec", $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml", "README.md", "icon.png", "[Content_Types].xml" }, entries, package);
            Assert.AreEqual(File.ReadAllText(Path.Combine(Root, "README.md")), Text(archive, "README.md"));
            string nuspec = Text(archive, $"{package}.nuspec");
            foreach (string part in (string[])["<license type=\"expression\">MIT</license>", "<icon>icon.png</icon>", "<readme>README.md</readme>", $"<version>{version}</version>", "<description>GPT for ML.NET", "<tags>ML.NET"])
                StringAssert.Contains(nuspec, part, package);
            foreach (Match own in OwnDependency().Matches(nuspec)) Assert.AreEqual($"[{version}]", own.Groups[1].Value, "the packages share internals: they go with each other's own version alone");
            Assert.AreEqual(package switch { "MLNet.Gpt.Core" => 0, "MLNet.Gpt.Trainers" => 3, _ => 1 }, OwnDependency().Count(nuspec), package);
            StringAssert.Contains(Text(archive, $"lib/net10.0/{package}.xml"), "<member name=\"T:MLNet.Gpt.");

            using ZipArchive symbols = ZipFile.OpenRead(Path.Combine(folder["packages"], $"{package}.{version}.snupkg"));
            using var pdb = new MemoryStream();
            using (Stream entry = symbols.GetEntry($"lib/net10.0/{package}.pdb")!.Open()) entry.CopyTo(pdb);
            Assert.AreEqual("BSJB", System.Text.Encoding.ASCII.GetString(pdb.GetBuffer(), 0, 4), "a portable pdb");
        }

        static string Text(ZipArchive archive, string entry)
        {
            using var reader = new StreamReader(archive.GetEntry(entry)!.Open());
            return reader.ReadToEnd();
        }
    }

    /// <summary>The README's program with a model, a run and an answer that take seconds.</summary>
    private static string ReadmeSnippet()
    {
        string code = Snippet().Match(File.ReadAllText(Path.Combine(Root, "README.md"))).Groups[1].Value;
        foreach ((string from, string to) in ((string, string)[])
            [("VocabularySize = 8_192, ContextLength = 256, LayerCount = 6, EmbeddingSize = 384, HeadCount = 6", "VocabularySize = 300, ContextLength = 32, LayerCount = 1, EmbeddingSize = 32, HeadCount = 2"),
             ("MaxSteps = 5_000", "MaxSteps = 3"), ("MaxNewTokens = 64", "MaxNewTokens = 4")])
        {
            StringAssert.Contains(code, from, "README.md's snippet");
            code = code.Replace(from, to, StringComparison.Ordinal);
        }

        return code;
    }

    private static string CentralVersion(string package) =>
        Regex.Match(File.ReadAllText(Path.Combine(Root, "Directory.Packages.props")), $"Include=\"{Regex.Escape(package)}\" Version=\"([^\"]+)\"").Groups[1].Value;

    private static string Dotnet(string folder, params string[] arguments)
    {
        // No process that outlives the build: a waiting one would keep the output's pipe open.
        string[] building = arguments[0] == "build" ? ["-nodeReuse:false", "-p:UseSharedCompilation=false", "-v", "quiet", "-nologo"] : [];
        (int code, string output) = AppProcess.Run(folder, [.. arguments, .. building]);
        Assert.AreEqual(0, code, $"dotnet {string.Join(' ', arguments)}\n{output}");
        return output;
    }

    [GeneratedRegex(@"<!-- snippet: compiled by the tests -->\r?\n```csharp\r?\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Snippet();

    [GeneratedRegex("<dependency id=\"MLNet\\.Gpt\\.[^\"]+\" version=\"([^\"]+)\"")]
    private static partial Regex OwnDependency();

    [GeneratedRegex("<dependency id=\"([^\"]+)\"")]
    private static partial Regex DependencyId();
}

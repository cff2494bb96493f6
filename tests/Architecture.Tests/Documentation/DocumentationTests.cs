using System.Diagnostics;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.Architecture.Tests.Documentation;

[TestClass]
public partial class DocumentationTests
{
    public static IEnumerable<object[]> Snippets => MarkdownFile.All
        .SelectMany(file => file.Snippets.Select((code, index) => new object[] { $"{file.Name}, snippet {index + 1}", code }));

    [TestMethod]
    [DynamicData(nameof(Snippets))]
    public async Task A_snippet_compiles_as_the_program_of_somebody_who_references_these_libraries(string place, string code)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mlnet-gpt-snippet-");
        try
        {
            string references = string.Concat(ReferencedBy(code).Select(path => $"\n    <Reference Include=\"{path}\" />"));
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "Program.cs"), code);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "Snippet.csproj"), $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup>
                    <OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><UseAppHost>false</UseAppHost>
                    <Nullable>enable</Nullable><ImplicitUsings>enable</ImplicitUsings><TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                  </PropertyGroup>
                  <ItemGroup>{references}
                  </ItemGroup>
                </Project>
                """);
            (int exitCode, string output) = await RunAsync(folder.FullName, "build", "-nologo", "-v", "quiet", "-nodeReuse:false");
            Assert.AreEqual(0, exitCode, $"{place} doesn't compile:\n{output}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [TestMethod]
    public void Every_link_to_a_file_of_this_checkout_leads_somewhere()
    {
        string[] dead = [.. MarkdownFile.All.SelectMany(file => file.Links.Where(link => !Path.Exists(link.Path)).Select(link => $"{file.Name}: {link.Link}"))];
        Assert.IsEmpty(dead, string.Join('\n', dead));
    }

    // ./test.sh, benchmarks/run.sh list, dotnet run --project examples/QuickStart: what the commands start is there.
    [TestMethod]
    public void Every_command_starts_something_that_is_there()
    {
        foreach (MarkdownFile file in MarkdownFile.All)
        {
            foreach (string command in file.Commands)
            {
                string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                string? program = words.FirstOrDefault(word => word.EndsWith(".sh", StringComparison.Ordinal));
                if (program is not null)
                {
                    string path = Repository.PathOf(program);
                    Assert.IsTrue(File.Exists(path), $"{file.Name} runs {program}, which isn't there.");
                    if (!OperatingSystem.IsWindows())
                        Assert.AreNotEqual(UnixFileMode.None, File.GetUnixFileMode(path) & UnixFileMode.UserExecute, $"{file.Name} runs {program}, which isn't executable.");
                }
                int project = Array.IndexOf(words, "--project");
                if (project >= 0 && words[0] == "dotnet")
                    Assert.IsTrue(Path.Exists(Repository.PathOf(words[project + 1])), $"{file.Name} runs the project {words[project + 1]}, which isn't there.");
            }
        }
    }

    [TestMethod]
    public void The_list_of_benchmarks_names_those_that_the_program_knows()
    {
        string[] listed = [.. File.ReadLines(Repository.PathOf("benchmarks", "benchmarks.txt")).Select(line => line.Split(' ')[0])];
        string program = File.ReadAllText(Repository.PathOf("benchmarks", "Benchmarks", "Program.cs"));
        CollectionAssert.AreEquivalent(BenchmarkCase().Matches(program).Select(match => match.Groups[1].Value).ToArray(), listed);
    }

    [GeneratedRegex("""case "([a-z0-9-]+)":""")]
    private static partial Regex BenchmarkCase();

    // Ours, and what a program that references our packages gets with them. A snippet that wants another package says so: "// dotnet add package NAME".
    private static IEnumerable<string> ReferencedBy(string code) =>
        new[] { "MLNet.Gpt.Core.dll", "MLNet.Gpt.Export.dll", "MLNet.Gpt.Trainers.dll", "MLNet.Gpt.Transforms.dll", "Microsoft.ML*.dll", "Microsoft.Extensions.AI.Abstractions.dll", "Microsoft.Extensions.VectorData*.dll", "TorchSharp.dll" }
            .Concat(AddedPackage().Matches(code).SelectMany(match => new[] { $"{match.Groups[1].Value}.dll", "Microsoft.Extensions.Logging.Abstractions.dll" })) // which Microsoft.Extensions.AI brings
            .SelectMany(pattern => Directory.GetFiles(AppContext.BaseDirectory, pattern));

    [GeneratedRegex("^// dotnet add package (.+)$", RegexOptions.Multiline)]
    private static partial Regex AddedPackage();

    private static async Task<(int ExitCode, string Output)> RunAsync(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await errors);
    }
}

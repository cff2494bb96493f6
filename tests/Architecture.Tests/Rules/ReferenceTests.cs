using System.Xml.Linq;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Rules;

/// <summary>References point one way: Trainers → Transforms, Export → Core. Whoever deploys a model gets no TorchSharp.</summary>
[TestClass]
public class ReferenceTests
{
    private static readonly string[] MachineLearning =
        ["Microsoft.ML.DataView", "Microsoft.ML.Core", "Microsoft.ML.Data", "Microsoft.ML.Transforms", "Microsoft.ML.CpuMath", "Microsoft.ML.StandardTrainers"];

    [TestMethod]
    public void Core_refers_to_no_TorchSharp_no_ONNX_Runtime_and_no_ML_NET_beyond_the_tokenizers()
    {
        AssertNeverReaches("MLNet.Gpt.Core", ["TorchSharp", "Microsoft.ML.OnnxRuntime", "MLNet.Gpt.Export", "MLNet.Gpt.Transforms", "MLNet.Gpt.Trainers", .. MachineLearning]);
        AssertProjectNeverNames("Core", ["TorchSharp", "Microsoft.ML.OnnxRuntime.Managed", "Microsoft.ML"]);
    }

    [TestMethod]
    public void Export_refers_to_no_TorchSharp_and_no_ONNX_Runtime()
    {
        AssertNeverReaches("MLNet.Gpt.Export", ["TorchSharp", "Microsoft.ML.OnnxRuntime", "MLNet.Gpt.Transforms", "MLNet.Gpt.Trainers"]);
        AssertProjectNeverNames("Export", ["TorchSharp", "Microsoft.ML.OnnxRuntime.Managed"]);
    }

    [TestMethod]
    public void Transforms_refers_to_no_TorchSharp_and_not_to_the_trainers()
    {
        AssertNeverReaches("MLNet.Gpt.Transforms", ["TorchSharp", "MLNet.Gpt.Trainers"]);
        AssertProjectNeverNames("Transforms", ["TorchSharp"]);
    }

    // Through any number of assemblies, as far as they lie in the output folder. .NET's own lead nowhere.
    private static void AssertNeverReaches(string from, string[] forbidden)
    {
        using var assemblies = new InspectedAssemblies();
        var routes = new Dictionary<string, string> { [from] = from };
        var pending = new Queue<AssemblyDefinition>([assemblies.Named(from)]);
        while (pending.TryDequeue(out AssemblyDefinition? assembly))
        {
            foreach (string name in assembly.MainModule.AssemblyReferences.Select(reference => reference.Name))
            {
                if (!routes.TryAdd(name, $"{routes[assembly.Name.Name]} → {name}") || name.StartsWith("System.", StringComparison.Ordinal))
                    continue;
                if (forbidden.Contains(name))
                    Assert.Fail($"{from} must not depend on {name}, but does: {routes[name]}");
                if (assemblies.Find(name) is { } next)
                    pending.Enqueue(next);
            }
        }
    }

    // A package that is referenced travels with ours even where no type of it is used.
    private static void AssertProjectNeverNames(string folder, string[] forbidden)
    {
        var seen = new HashSet<string>();
        var pending = new Queue<string>([Repository.PathOf("src", folder, $"MLNet.Gpt.{folder}.csproj")]);
        while (pending.TryDequeue(out string? project))
        {
            if (!seen.Add(project))
                continue;
            XDocument document = XDocument.Load(project);
            foreach (string package in Included(document, "PackageReference"))
                Assert.DoesNotContain(package, forbidden, $"{folder} must not bring the package {package}, which {Path.GetFileName(project)} names.");
            foreach (string reference in Included(document, "ProjectReference"))
                pending.Enqueue(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(project)!, reference)));
        }
    }

    private static IEnumerable<string> Included(XDocument project, string item) =>
        project.Descendants(item).Select(element => (string?)element.Attribute("Include")).OfType<string>();
}

using System.Text.RegularExpressions;
using Mono.Cecil;
using MLNet.Gpt.Architecture.Tests.Api;

namespace MLNet.Gpt.Architecture.Tests.Standins;

[TestClass]
public partial class StandinUseTests
{
    [TestMethod]
    public void Every_public_member_of_a_stand_in_is_used_by_src_tests_examples_or_benchmarks()
    {
        Repository.RequireStandins();
        using var assemblies = new InspectedAssemblies();
        List<AssemblyDefinition> standins = [.. Repository.Standins.Select(assemblies.Named)];
        var use = new StandinUse(standins, assemblies.StandinUsers(), NamesInSources());

        List<string> unused = [.. standins.SelectMany(ApiListing.Of).Where(member => !use.IsUsed(member)).Select(member => member.Line)];
        if (unused.Count > 0)
            Assert.Fail($"{unused.Count} public members of the stand-ins are used by nothing. Remove them, or make them internal:\n  {string.Join("\n  ", unused)}");
    }

    // Type.Member for every pair of names with a dot between, comments and strings included: enough to find constants by.
    private static IEnumerable<string> NamesInSources() =>
        new[] { "src", "tests", "examples", "benchmarks" }.SelectMany(Repository.Sources)
            .SelectMany(file => Pair().Matches(File.ReadAllText(file)))
            .Select(match => $"{match.Groups[1].Value}.{match.Groups[2].Value}");

    // The second name is looked ahead for, so that A.B.C gives A.B and B.C.
    [GeneratedRegex(@"\b([A-Za-z_]\w*)\s*\.\s*(?=([A-Za-z_]\w*))")]
    private static partial Regex Pair();
}

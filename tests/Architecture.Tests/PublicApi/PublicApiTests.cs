using System.Runtime.CompilerServices;
using MLNet.Gpt.Architecture.Tests.Api;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.PublicApi;

/// <summary>A change of the public API is a decision: it shows as a difference in <c>approved/</c>, and fails until that is committed.</summary>
[TestClass]
public class PublicApiTests
{
    public static IEnumerable<object[]> Libraries => Repository.Libraries.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void The_public_API_is_the_approved_one(string library)
    {
        using var assemblies = new InspectedAssemblies();
        // Without what a compiler writes into every record: Equals, GetHashCode, ToString, ==, != and the copying members.
        List<string> actual = [.. ApiListing.Of(assemblies.Named(library))
            .Where(member => member.Declaration is not MethodDefinition method || !ApiShape.Has(method, typeof(CompilerGeneratedAttribute).FullName!))
            .Select(member => member.Line)];

        string path = Repository.PathOf("tests", "Architecture.Tests", "approved", library + ".txt");
        if (Environment.GetEnvironmentVariable("MLNET_GPT_APPROVE_API") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, string.Concat(actual.Select(line => line + "\n")));
        }

        string[] approved = File.Exists(path) ? File.ReadAllLines(path) : [];
        List<string> difference = [.. approved.Except(actual).Select(line => "- " + line), .. actual.Except(approved).Select(line => "+ " + line)];
        if (difference.Count > 0)
        {
            Assert.Fail($"The public API of {library} isn't the approved one. If it should be as it is now, run eng/approve-api.sh and commit "
                + $"tests/Architecture.Tests/approved/{library}.txt.\n{string.Join('\n', difference)}");
        }
    }
}

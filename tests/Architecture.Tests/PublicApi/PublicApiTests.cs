using System.Reflection;
using PublicApiGenerator;

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
        string actual = Assembly.Load(library).GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            ExcludeAttributes = ["System.Runtime.CompilerServices.NullableContextAttribute", "System.Runtime.CompilerServices.NullableAttribute"],
        }).ReplaceLineEndings("\n").TrimEnd() + "\n";

        string path = Repository.PathOf("tests", "Architecture.Tests", "approved", library + ".txt");
        if (Environment.GetEnvironmentVariable("MLNET_GPT_APPROVE_API") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
        }

        string[] approved = File.Exists(path) ? File.ReadAllLines(path) : [], lines = actual.TrimEnd().Split('\n');
        List<string> difference = [.. approved.Except(lines).Select(line => "- " + line), .. lines.Except(approved).Select(line => "+ " + line)];
        if (difference.Count > 0 || approved.Length != lines.Length)
        {
            Assert.Fail($"The public API of {library} isn't the approved one. If it should be as it is now, run eng/approve-api.sh and commit "
                + $"tests/Architecture.Tests/approved/{library}.txt.\n{string.Join('\n', difference)}");
        }
    }
}

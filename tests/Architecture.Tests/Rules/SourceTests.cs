using System.Text.RegularExpressions;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Rules;

[TestClass]
public partial class SourceTests
{
    [TestMethod]
    public void No_source_file_of_src_is_compiled_in_more_than_one_form()
    {
        string[] offenders = [.. Repository.Sources("src").Where(file => Conditional().IsMatch(File.ReadAllText(file))).Select(Relative)];
        Assert.IsEmpty(offenders, $"These have an #if: {string.Join(", ", offenders)}");
    }

    // What saving relies on beyond the public API: the model header, the reader, and the attribute that names a loader.
    // The stub declares them for the compiler and is no part of the assembly.
    [TestMethod]
    public void One_file_of_src_names_what_is_internal_to_the_model_format()
    {
        string[] files = [.. Repository.Sources("src").Where(file => !file.Contains("/Stub/", StringComparison.Ordinal) && ModelInternals().IsMatch(File.ReadAllText(file))).Select(Relative)];
        Assert.HasCount(1, files, $"These name VersionInfo, ModelLoadContext, LoadableClass, SignatureLoadModel or IgnoresAccessChecksTo: {string.Join(", ", files)}");
    }

    [TestMethod]
    public void Every_public_type_of_src_is_in_the_namespace_MLNet_Gpt()
    {
        using var assemblies = new InspectedAssemblies();
        string[] strays = [.. Repository.Libraries.SelectMany(name => assemblies.Named(name).MainModule.Types)
            .Where(type => type.IsPublic && type.Namespace != "MLNet.Gpt").Select(type => type.FullName)];
        Assert.IsEmpty(strays, string.Join(", ", strays));
    }

    private static string Relative(string file) => Path.GetRelativePath(Repository.Root, file);

    [GeneratedRegex(@"^\s*#\s*(if|elif)\b", RegexOptions.Multiline)]
    private static partial Regex Conditional();

    [GeneratedRegex(@"\b(VersionInfo|ModelLoadContext|LoadableClass(Attribute)?|SignatureLoadModel|IgnoresAccessChecksTo(Attribute)?)\b")]
    private static partial Regex ModelInternals();
}

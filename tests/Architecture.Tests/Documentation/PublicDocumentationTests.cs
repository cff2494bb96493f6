using System.Xml.Linq;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Documentation;

/// <summary>What a user reads in an editor.</summary>
[TestClass]
public sealed class PublicDocumentationTests
{
    [TestMethod]
    public void What_is_public_is_explained_without_types_that_are_not()
    {
        using var assemblies = new InspectedAssemblies();
        Dictionary<string, TypeDefinition> types = Repository.Libraries.SelectMany(library => assemblies.Named(library).MainModule.GetTypes())
            .Where(static type => type.FullName.StartsWith("MLNet.Gpt.", StringComparison.Ordinal)).ToDictionary(static type => type.FullName.Replace('/', '.'));
        List<string> found = [];
        foreach (XElement member in Repository.Libraries.SelectMany(static library => XDocument.Load(Path.Combine(AppContext.BaseDirectory, $"{library}.xml")).Descendants("member")))
        {
            string owner = (string)member.Attribute("name")!;
            if (!IsShown(owner)) continue;
            found.AddRange(member.Descendants().Attributes("cref").Select(static cref => cref.Value).Where(cref => TypeOf(cref) is { } type && !IsVisible(type)).Select(cref => $"{owner} names {cref}"));
        }

        Assert.IsEmpty(found, $"Say it in words, or name what is public:\n{string.Join('\n', found)}");

        // "M:Namespace.Type.Member(…)"
        bool IsShown(string id) => TypeOf(id) is { } type && IsVisible(type) && (id.StartsWith("T:", StringComparison.Ordinal) || HasVisible(type, NameOf(id)));

        TypeDefinition? TypeOf(string id)
        {
            string name = Bare(id);
            return types.GetValueOrDefault(id.StartsWith("T:", StringComparison.Ordinal) ? name : name[..Math.Max(0, name.LastIndexOf('.'))]);
        }
    }

    private static string Bare(string id) => id[2..].Split('(')[0];

    private static string NameOf(string id) => Bare(id)[(Bare(id).LastIndexOf('.') + 1)..].Split('`')[0].Replace('#', '.');

    private static bool IsVisible(TypeDefinition type) => type.IsPublic || ((type.IsNestedPublic || type.IsNestedFamily) && IsVisible(type.DeclaringType));

    private static bool HasVisible(TypeDefinition type, string name) =>
        type.Methods.Any(method => (method.IsPublic || method.IsFamily) && (method.Name == name || method.Name == $"get_{name}")) || type.Fields.Any(field => (field.IsPublic || field.IsFamily) && field.Name == name);
}

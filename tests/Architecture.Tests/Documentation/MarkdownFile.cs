using System.Text.RegularExpressions;

namespace MLNet.Gpt.Architecture.Tests.Documentation;

/// <summary>README.md or a page of docs/.</summary>
internal sealed partial class MarkdownFile(string path)
{
    public static IEnumerable<MarkdownFile> All => new[] { Repository.PathOf("README.md") }
        .Concat(Directory.EnumerateFiles(Repository.PathOf("docs"), "*.md", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        .Select(path => new MarkdownFile(path));

    public string Name { get; } = Path.GetRelativePath(Repository.Root, path);

    private string Text { get; } = File.ReadAllText(path).ReplaceLineEndings("\n");

    /// <summary>The C# blocks that follow the comment <c>snippet: compiled by the tests</c>.</summary>
    public IEnumerable<string> Snippets => Snippet().Matches(Text).Select(match => match.Groups[1].Value);

    /// <summary>The lines of the shell blocks, without their comments.</summary>
    public IEnumerable<string> Commands => Shell().Matches(Text).SelectMany(match => match.Groups[1].Value.Split('\n'))
        .Select(line => line.Split(" #")[0].Trim()).Where(line => line.Length > 0 && line[0] != '#');

    /// <summary>The links to files of this checkout, with the path that each leads to.</summary>
    public IEnumerable<(string Link, string Path)> Links => Link().Matches(Code().Replace(Text, ""))
        .Select(match => match.Groups[1].Value.Split('#')[0])
        .Where(link => link.Length > 0 && !link.Contains("://", StringComparison.Ordinal))
        .Select(link => (link, Path.Combine(Path.GetDirectoryName(path)!, link)));

    [GeneratedRegex(@"<!-- snippet: compiled by the tests -->\n```csharp\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Snippet();

    [GeneratedRegex(@"^```(?:bash|sh)\n(.*?)\n```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Shell();

    [GeneratedRegex(@"^```.*?^```|`[^`\n]+`", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}

using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

namespace QuickStart;

/// <summary>Real English text that every machine with the .NET SDK has: the summaries of the framework's XML documentation.</summary>
internal static partial class SdkDocumentation
{
    /// <summary>Finds the newest reference pack of Microsoft.NETCore.App beside the running .NET.</summary>
    public static string FindFolder()
    {
        // <root>/shared/Microsoft.NETCore.App/10.0.x/System.Private.CoreLib.dll
        string root = Environment.GetEnvironmentVariable("DOTNET_ROOT")
            ?? Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));
        string packs = Path.Combine(root, "packs", "Microsoft.NETCore.App.Ref");
        string? newest = Directory.Exists(packs)
            ? Directory.EnumerateDirectories(packs, "*", SearchOption.AllDirectories)
                .Where(static folder => Directory.EnumerateFiles(folder, "*.xml").Any())
                .OrderBy(static folder => folder, StringComparer.Ordinal)
                .LastOrDefault()
            : null;
        return newest ?? throw new DirectoryNotFoundException(
            $"No XML documentation under '{packs}'. Install the .NET SDK (a runtime alone lacks it), set DOTNET_ROOT, or pass --text PATH.");
    }

    /// <summary>The text of every summary, in the order of files and members.</summary>
    public static IEnumerable<string> ReadSummaries(string folder) => ReadMembers(folder).Select(static member => member.Summary);

    /// <summary>Each member's name ("M:System.String.Join(…)") with the text of its summary, in the order of files and members.</summary>
    public static IEnumerable<(string Member, string Summary)> ReadMembers(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*.xml").Order(StringComparer.Ordinal))
        {
            using var reader = XmlReader.Create(file, new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
            string member = "";
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element) continue;
                if (reader.Name == "member") member = reader.GetAttribute("name") ?? "";
                if (reader.Name != "summary") continue;
                string text = PlainText(reader.ReadSubtree());
                if (text.Length > 0) yield return (member, text);
            }
        }
    }

    private static string PlainText(XmlReader summary)
    {
        var text = new StringBuilder();
        while (summary.Read())
        {
            if (summary.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace or XmlNodeType.Whitespace)
            {
                text.Append(summary.Value);
            }
            else if (summary.NodeType == XmlNodeType.Element && summary.GetAttribute("cref") is { } reference)
            {
                text.Append(ShortName(reference));
            }
            else if (summary.NodeType == XmlNodeType.Element && (summary.GetAttribute("langword") ?? summary.GetAttribute("name")) is { } word)
            {
                text.Append(word);
            }
        }

        return Blanks().Replace(text.ToString(), " ").Trim();
    }

    /// <summary>"M:System.String.Join(System.String,System.Object[])" → "Join"; "T:System.Collections.Generic.List`1" → "List".</summary>
    private static string ShortName(string reference)
    {
        int arguments = reference.IndexOf('(', StringComparison.Ordinal);
        string name = arguments < 0 ? reference : reference[..arguments];
        bool constructor = name.EndsWith(".#ctor", StringComparison.Ordinal);
        if (constructor) name = name[..^".#ctor".Length];
        name = name[(name.LastIndexOfAny(['.', ':']) + 1)..];
        int generic = name.IndexOf('`', StringComparison.Ordinal);
        return generic < 0 ? name : name[..generic];
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}

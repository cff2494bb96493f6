using System.Text.RegularExpressions;
using QuickStart;

namespace Classification;

/// <summary>
/// A task on real text that every machine with the .NET SDK has: to which of twelve namespaces does a member of .NET belong, by what its summary says?
/// Thousands of texts without a label, few with one.
/// </summary>
/// <remarks>
/// No label leaks: the words that name a class (and "component", "model", "thread" and the like) are taken out of every text, out of identifiers too (XmlWriter → Writer). No text is on
/// both sides of the split: texts that are the same but for digits and punctuation count once.
/// </remarks>
internal sealed partial class ApiTask
{
    public static readonly string[] Classes = ["Net", "Security", "Xml", "Reflection", "Data", "Collections", "ComponentModel", "Text", "IO", "Diagnostics", "Linq", "Threading"];

    private static readonly HashSet<string> Hidden = new(StringComparer.OrdinalIgnoreCase)
    {
        "net", "security", "xml", "reflection", "data", "collections", "collection", "component", "components", "model", "text", "io", "diagnostics", "diagnostic", "linq",
        "threading", "threads", "thread",
    };

    private ApiTask(IReadOnlyList<ApiText> training, IReadOnlyList<ApiText> test, IReadOnlyList<string> documents) => (Training, Test, Documents) = (training, test, documents);

    /// <summary>The labelled texts to train on, the same number of each class.</summary>
    public IReadOnlyList<ApiText> Training { get; }

    /// <summary>The texts to test on, in the classes' natural shares.</summary>
    public IReadOnlyList<ApiText> Test { get; }

    /// <summary>All texts but those of the test, those of one type together in the order of the documentation: what to pretrain on.</summary>
    public IReadOnlyList<string> Documents { get; }

    /// <summary>All texts, each once, in the order of the documentation.</summary>
    public static IReadOnlyList<ApiText> Read(string folder)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var texts = new List<ApiText>();
        foreach ((string member, string summary) in SdkDocumentation.ReadMembers(folder))
        {
            string text = Blanks().Replace(Identifier().Replace(summary, static word => string.Concat(Part().Matches(word.Value).Select(static part => part.Value).Where(static part => !Hidden.Contains(part)))), " ").Trim();
            if (text.Length < 25 || !seen.Add(NoLetter().Replace(text, "").ToUpperInvariant())) continue;
            string[] names = member[(member.IndexOf(':', StringComparison.Ordinal) + 1)..].Split('(')[0].Split('.');
            string type = string.Join('.', member.StartsWith("T:", StringComparison.Ordinal) ? names : names[..^1]);
            texts.Add(new() { Text = text, Type = type, Label = names is ["System", var second, _, ..] && Classes.Contains(second) ? second : "" });
        }

        return texts;
    }

    /// <summary>Splits the texts.</summary>
    /// <param name="texts">What <see cref="Read"/> gave.</param>
    /// <param name="perClass">Labelled texts of each class.</param>
    /// <param name="testSize">Texts to test on.</param>
    /// <param name="seed">Chooses the labelled ones; the test texts do not depend on it, so that one pretrained model serves several seeds.</param>
    public static ApiTask Split(IReadOnlyList<ApiText> texts, int perClass, int testSize, int seed)
    {
        ApiText[] labelled = [.. texts.Where(static text => text.Label.Length > 0)];
        new Random(0).Shuffle(labelled);
        ApiText[] test = labelled[..testSize], rest = labelled[testSize..];
        new Random(seed).Shuffle(rest);
        ApiText[] training = [.. Classes.SelectMany(label => rest.Where(text => text.Label == label).Take(perClass))];
        var held = new HashSet<ApiText>(test, ReferenceEqualityComparer.Instance);
        string[] documents = [.. texts.Where(text => !held.Contains(text)).GroupBy(static text => text.Type).Select(static group => string.Join('\n', group.Select(static text => text.Text)))];
        return new(training, test, documents);
    }

    [GeneratedRegex(@"[A-Za-z_][A-Za-z0-9_]*")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|_")]
    private static partial Regex Part();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"[\W0-9_]+")]
    private static partial Regex NoLetter();
}

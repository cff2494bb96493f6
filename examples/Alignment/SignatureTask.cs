using System.Text.RegularExpressions;
using QuickStart;

namespace Alignment;

/// <summary>A member of .NET and what its documentation says of it.</summary>
/// <param name="Signature">"method String.Join(String, Object[]):".</param>
/// <param name="Summary">" Concatenates the elements of an object array."</param>
/// <param name="Type">The type that it belongs to, with its namespace.</param>
internal sealed record ApiMember(string Signature, string Summary, string Type);

/// <summary>
/// Writing a member's summary from its signature, on real text that every machine with the .NET SDK has. A type's members are all on one side of a split, and no summary is on two.
/// </summary>
internal sealed partial class SignatureTask
{
    /// <summary>The grades of a true summary and its four corruptions, the best first.</summary>
    public const int Grades = 5;

    /// <summary>All members but the held-out ones, a document each: what to pretrain on.</summary>
    public required IReadOnlyList<string> Documents { get; init; }

    /// <summary>Documents of held-out members, to see what a policy forgets.</summary>
    public required IReadOnlyList<string> HeldOutDocuments { get; init; }

    /// <summary>Members to fine-tune on.</summary>
    public required IReadOnlyList<ApiMember> FineTuning { get; init; }

    /// <summary>Members whose summaries are graded for the reward model.</summary>
    public required IReadOnlyList<ApiMember> Reward { get; init; }

    /// <summary>Members whose summaries are graded for the judge, a reward model of other data that no policy is trained towards.</summary>
    public required IReadOnlyList<ApiMember> Judge { get; init; }

    /// <summary>Signatures that the policy answers in training.</summary>
    public required IReadOnlyList<ApiMember> Prompts { get; init; }

    /// <summary>Held-out members: what policies are compared on.</summary>
    public required IReadOnlyList<ApiMember> Test { get; init; }

    /// <summary>Reads the documentation and splits it by type.</summary>
    /// <param name="folder">The reference pack.</param>
    /// <param name="size">Members of each part.</param>
    public static SignatureTask Read(string folder, int size)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var members = new List<ApiMember>();
        foreach ((string member, string summary) in SdkDocumentation.ReadMembers(folder))
        {
            if (summary.Length is < 30 or > 110 || summary.Contains('{') || !seen.Add(NoLetter().Replace(summary, "").ToUpperInvariant())) continue;
            if (Describe(member) is { } signature && signature.Signature.Length <= 70) members.Add(new(signature.Signature, " " + summary, signature.Type));
        }

        // Types in an order of their own; the same members on every machine with the same SDK.
        ApiMember[][] types = [.. members.GroupBy(static member => member.Type).OrderBy(static group => group.Key, StringComparer.Ordinal).Select(static group => group.ToArray())];
        new Random(1).Shuffle(types);
        var rest = new Queue<ApiMember[]>(types);
        ApiMember[] test = Take(size / 2), judge = Take(size), reward = Take(size), prompts = Take(size), fineTuning = Take(2 * size);
        return new()
        {
            Test = test,
            Judge = judge,
            Reward = reward,
            Prompts = prompts,
            FineTuning = fineTuning,
            HeldOutDocuments = Documentation(test),
            Documents = Documentation([.. reward, .. prompts, .. fineTuning, .. rest.SelectMany(static type => type)]),
        };

        ApiMember[] Take(int count)
        {
            var taken = new List<ApiMember>();
            while (taken.Count < count && rest.Count > 0) taken.AddRange(rest.Dequeue());
            return [.. taken];
        }
    }

    /// <summary>
    /// A true summary (grade 4) and four corruptions of it, each worse: a word twice (3), a third of the words in disorder (2), all of them (1), all of them and half of them others of its words (0). Their lengths are the same but for a word.
    /// </summary>
    /// <param name="member">The member.</param>
    /// <param name="random">Draws.</param>
    public static IReadOnlyList<(string Summary, float Grade)> Graded(ApiMember member, Random random)
    {
        string[] words = member.Summary.TrimStart().TrimEnd('.').Split(' ');
        int place = random.Next(1, words.Length), third = Math.Max(3, words.Length / 3), first = random.Next(0, Math.Max(1, words.Length - third + 1)), end = Math.Min(words.Length, first + third);
        string[] disorder = Shuffled(words);
        return
        [
            (member.Summary, 4),
            (Sentence([.. words[..place], words[place - 1], .. words[place..]]), 3),
            (Sentence([.. words[..first], .. Shuffled(words[first..end]), .. words[end..]]), 2),
            (Sentence(disorder), 1),
            (Sentence([.. Shuffled(words).Select((word, i) => i % 2 == 0 ? word : words[random.Next(words.Length)])]), 0),
        ];

        // Never in the order that it had, where there are two words that differ.
        string[] Shuffled(string[] some)
        {
            string[] moved = [.. some];
            for (int i = 0; i < 20 && moved.SequenceEqual(some); i++) random.Shuffle(moved);
            return moved;
        }

        static string Sentence(string[] words) => $" {string.Join(' ', words)}.";
    }

    private static string[] Documentation(IEnumerable<ApiMember> members) => [.. members.Select(static member => member.Signature + member.Summary)];

    /// <summary>"M:System.String.Join(System.String,System.Object[])" → "method String.Join(String, Object[]):"; null for what has no such form.</summary>
    private static (string Signature, string Type)? Describe(string member)
    {
        Match match = Name().Match(member);
        if (!match.Success) return null;
        string kind = match.Groups["kind"].Value switch { "M" => "method", "P" => "property", "T" => "type", "E" => "event", _ => "field" };
        string[] names = match.Groups["name"].Value.Replace("#ctor", "new", StringComparison.Ordinal).Split('.');
        if (names.Length < 2 || names.Any(static name => name.Contains('#'))) return null;
        string shown = kind == "type" ? names[^1] : $"{names[^2]}.{names[^1]}";
        string arguments = match.Groups["arguments"].Success ? $"({string.Join(", ", match.Groups["arguments"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(static type => type[(type.LastIndexOf('.') + 1)..]))})" : "";
        return ($"{kind} {Arity().Replace(shown, "")}{arguments}:", string.Join('.', kind == "type" ? names : names[..^1]));
    }

    [GeneratedRegex(@"^(?<kind>[MPTEF]):(?<name>[\w.#`]+)(\((?<arguments>[^{}()@*~]*)\))?$")]
    private static partial Regex Name();

    [GeneratedRegex(@"`+\d+")]
    private static partial Regex Arity();

    [GeneratedRegex(@"[\W0-9_]+")]
    private static partial Regex NoLetter();
}

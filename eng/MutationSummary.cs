#:property PublishAot=false
// Reads the report that eng/mutate.sh leaves, and prints the changes that no test noticed, each file's score, and the whole.
//
//   dotnet run --file eng/MutationSummary.cs -- REPORT [DOCUMENT]
//   dotnet run --file eng/MutationSummary.cs -- REPORT DOCUMENT named
//
// DOCUMENT: a page that names the changes that make no difference, in lines such as
//     | `Generation/TokenSampler.cs` | `if (p < 1)` → `if (p <= 1)` | why |
// where the first code is the line (its spaces apart) or a part of it, and the second what the change makes of it, or a part
// of that which the line does not have; `;` stands for a statement that is left out. Such changes count neither as noticed nor
// as missed. Exit code 0 only if every file reaches 90 %.
// named: writes the answer to each of them for eng/MutationWorker.cs, which then does not ask about it, and nothing else.
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

const double Least = 90;
using JsonDocument report = JsonDocument.Parse(File.ReadAllText(args[0]));
(string File, string Line, string Change)[] equal = args.Length < 2 ? [] :
[
    .. File.ReadLines(args[1]).Select(line => Regex.Match(line, @"^\| `([^`]+\.cs)` \| `([^`]+)` → `([^`]*)` \|")).Where(match => match.Success)
        .Select(match => (match.Groups[1].Value, Plain(match.Groups[2].Value), Plain(match.Groups[3].Value))),
];
(int killed, int survived, int uncovered, int same, int below) all = default;
foreach (JsonProperty file in report.RootElement.GetProperty("files").EnumerateObject().OrderBy(file => file.Name, StringComparer.Ordinal))
{
    string path = file.Name.Replace('\\', '/'), name = path[(path.LastIndexOf("src/Core/", StringComparison.Ordinal) is >= 0 and int at ? at + 9 : 0)..];
    string[] lines = file.Value.GetProperty("source").GetString()!.ReplaceLineEndings("\n").Split('\n');
    int killed = 0, survived = 0, uncovered = 0, same = 0;
    foreach (JsonElement mutant in file.Value.GetProperty("mutants").EnumerateArray())
    {
        string status = mutant.GetProperty("status").GetString()!;
        if (args is [_, _, "named"])
        {
            if (status is not ("Ignored" or "CompileError") && IsNamed(name, lines, mutant)) Console.WriteLine($"{mutant.GetProperty("id").GetString()}\tSurvived\tmakes no difference");
            continue;
        }

        if (status is "Killed" or "Timeout") killed++;
        if (status is not ("Survived" or "NoCoverage")) continue;
        if (IsNamed(name, lines, mutant))
        {
            same++;
            continue;
        }

        if (status == "Survived") survived++;
        else uncovered++;
        int line = mutant.GetProperty("location").GetProperty("start").GetProperty("line").GetInt32();
        Console.WriteLine($"{status,-10} {name}:{line}\n    - {lines[line - 1].Trim()}\n    + {Changed(lines, mutant).Trim()}");
    }

    int counted = killed + survived + uncovered;
    if (counted == 0) continue;
    double score = 100.0 * killed / counted;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-44} {score,6:F1} %  {killed} noticed, {survived} missed, {uncovered} in no test, {same} make no difference"));
    all = (all.killed + killed, all.survived + survived, all.uncovered + uncovered, all.same + same, all.below + (score < Least ? 1 : 0));
}

if (args is [_, _, "named"]) return 0;
int total = all.killed + all.survived + all.uncovered;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"mutate score={(total == 0 ? 0 : 100.0 * all.killed / total):F1} killed={all.killed} survived={all.survived} uncovered={all.uncovered} equal={all.same} files_below_90={all.below}"));
return total > 0 && all.below == 0 ? 0 : 1;

// Whether the document names a change.
bool IsNamed(string name, string[] lines, JsonElement mutant)
{
    string source = Plain(lines[mutant.GetProperty("location").GetProperty("start").GetProperty("line").GetInt32() - 1]), changed = Plain(Changed(lines, mutant));
    bool isLeftOut = mutant.GetProperty("replacement").GetString() == ";";
    return equal.Any(known => known.File == name && source.Contains(known.Line, StringComparison.Ordinal)
        && (known.Change == ";" ? isLeftOut : changed.Contains(known.Change, StringComparison.Ordinal) && !source.Contains(known.Change, StringComparison.Ordinal)));
}

// The line as the change makes it; of a change over several lines, the first of them.
static string Changed(string[] lines, JsonElement mutant)
{
    JsonElement location = mutant.GetProperty("location"), start = location.GetProperty("start"), end = location.GetProperty("end");
    int first = start.GetProperty("line").GetInt32() - 1, last = end.GetProperty("line").GetInt32() - 1;
    string before = lines[first][..(start.GetProperty("column").GetInt32() - 1)], after = lines[last][(end.GetProperty("column").GetInt32() - 1)..];
    return before + mutant.GetProperty("replacement").GetString()!.ReplaceLineEndings(" ") + after;
}

static string Plain(string text) => Regex.Replace(text.Replace("\\|", "|"), @"\s+", "");

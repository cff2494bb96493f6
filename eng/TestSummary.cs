#:property PublishAot=false
// Reads the trx files that test.sh leaves and prints the skipped tests with their reasons, the failed ones with their
// messages, and last the line "N passed, N failed, N skipped".
//
//   dotnet run --file eng/TestSummary.cs -- RESULTS [PROJECT ...]
//
// PROJECT: a test project whose `dotnet test` ended with an error. One that reports no failed test (its process died,
// or never began) is named with the end of its log. Exit code 0 only if something ran, nothing failed and no project broke.
using System.Xml.Linq;

string folder = args[0];
string[] broken = args[1..];
XNamespace trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

int passed = 0, failed = 0, skipped = 0;
var unexplained = new List<string>(broken);
foreach (string file in Directory.GetFiles(folder, "*.trx").Order(StringComparer.Ordinal))
{
    string project = Path.GetFileNameWithoutExtension(file);
    foreach (XElement result in XDocument.Load(file).Descendants(trx + "UnitTestResult"))
    {
        if (result.Element(trx + "InnerResults") is not null)
            continue; // its rows are counted, not their sum
        string test = $"{project}: {(string?)result.Attribute("testName")}";
        string message = ((string?)result.Element(trx + "Output")?.Element(trx + "ErrorInfo")?.Element(trx + "Message"))?.Trim() ?? "";
        switch ((string?)result.Attribute("outcome"))
        {
            case "Passed":
                passed++;
                break;
            case "NotExecuted" or "Inconclusive" or "NotRunnable":
                skipped++;
                Console.WriteLine($"skipped  {test}\n    {(message.Length > 0 ? Reason(message) : "no reason given")}");
                break;
            default: // Failed, Error, Timeout, Aborted, or none at all
                failed++;
                unexplained.Remove(project);
                string stack = ((string?)result.Element(trx + "Output")?.Element(trx + "ErrorInfo")?.Element(trx + "StackTrace"))?.TrimEnd() ?? "";
                Console.WriteLine($"FAILED   {test}\n{Indent(message)}{(stack.Length > 0 ? "\n" + Indent(stack) : "")}");
                break;
        }
    }
}

foreach (string project in unexplained)
{
    string log = Path.Combine(folder, project + ".log");
    Console.WriteLine($"BROKEN   {project}: its test run ended with an error, though it reports no failed test. The end of its log:");
    if (File.Exists(log))
        Console.WriteLine(Indent(string.Join('\n', File.ReadLines(log).TakeLast(40))));
}

if (passed + failed == 0)
    Console.WriteLine("No test ran.");
Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return passed > 0 && failed == 0 && broken.Length == 0 ? 0 : 1;

static string Reason(string message) => message.Replace("Assert.Inconclusive. ", "").ReplaceLineEndings("\n    ");
static string Indent(string text) => "    " + text.ReplaceLineEndings("\n    ");

using System.Text.Json;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.Tool;

/// <summary>Reads files with an object of JSON on each line.</summary>
internal static partial class JsonLines
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, AllowDuplicateProperties = false,
    };

    // What a corpus says of a text besides, such as where it is from, is not trained on.
    private static readonly JsonSerializerOptions Corpus = new(Strict) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Skip };

    /// <summary>The member "text" of each line.</summary>
    /// <exception cref="CorruptFileException">A line has none.</exception>
    public static IEnumerable<string> Texts(string path) => Lines(path, "document").Select(row => Parse<Document>(path, row.Number, row.Line, "document", "{\"text\":\"…\"}", Corpus).Text);

    /// <summary>The lines that are not blank, with their numbers from 1.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What a line holds, such as "question".</param>
    /// <exception cref="CheckpointNotFoundException">There is no such file.</exception>
    /// <exception cref="CorruptFileException">It is no UTF-8 text, or all of it is blank.</exception>
    public static IEnumerable<(int Number, string Line)> Lines(string path, string what)
    {
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "there is no such file.", $"Name a file with {Article(what)} on each line.");
        int number = 0;
        bool any = false;
        foreach (string line in TextFiles.Lines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            any = true;
            yield return (number, line);
        }

        if (!any) throw new CorruptFileException(path, $"there is no {what} in it.", $"Give {Article(what)} on each line.");
    }

    /// <summary>A line as an object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="number">The line's number.</param>
    /// <param name="line">The line.</param>
    /// <param name="what">What it holds.</param>
    /// <param name="form">How to write it.</param>
    /// <param name="options">How to read it; by default no other members are allowed.</param>
    /// <exception cref="CorruptFileException">It is none.</exception>
    public static T Parse<T>(string path, int number, string line, string what, string form, JsonSerializerOptions? options = null)
        where T : class
    {
        string problem = "it is null";
        try
        {
            if (JsonSerializer.Deserialize<T>(line, options ?? Strict) is { } row) return row;
        }
        catch (JsonException exception)
        {
            problem = ReadersTerms().Replace(exception.Message, "").Replace("could not be mapped to any .NET member", $"is none of {Article(what)}'s", StringComparison.Ordinal).TrimEnd('.', ' ');
        }

        throw Wrong(path, number, $"is no {what}: {problem}.", $"Write each as {form}.");
    }

    /// <summary>What is wrong with a line.</summary>
    public static CorruptFileException Wrong(string path, int number, string problem, string remedy, Exception? inner = null) => new(path, $"line {number} {problem}", remedy, inner);

    /// <summary>Trains on rows that were read from a file. What the trainer says of a row is said of its line.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lineOf">A row's line.</param>
    /// <param name="train">Trains.</param>
    /// <exception cref="CorruptFileException">A row can't be learnt from.</exception>
    public static T Learn<T>(string path, Func<int, int> lineOf, Func<T> train)
    {
        try
        {
            return train();
        }
        catch (Exception exception) when ((exception as TrainingExampleException)?.Row is { } row)
        {
            throw Of(row, exception);
        }
        catch (Exception exception) when ((exception as PreferenceDataException)?.Row is { } row)
        {
            throw Of(row, exception);
        }

        CorruptFileException Of(long row, Exception exception) => Wrong(path, lineOf(checked((int)row)), "can't be learnt from:", RowName().Replace(exception.Message, ""), exception);
    }

    private static string Article(string what) => "aeiou".Contains(what[0], StringComparison.Ordinal) ? $"an {what}" : $"a {what}";

    // What the JSON reader calls our records, and its own count of lines in a single one, say nothing to a user.
    [GeneratedRegex(@" (for|contained in) type '[^']*'| Path: \S+ \| LineNumber: \d+ \| BytePositionInLine: \d+\.?")]
    private static partial Regex ReadersTerms();

    [GeneratedRegex(@"^Row \d+( \(group [^)]*\))?: ")]
    private static partial Regex RowName();

    private sealed record Document(string Text);
}

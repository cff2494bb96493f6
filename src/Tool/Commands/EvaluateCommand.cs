using System.CommandLine;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>evaluate</c>: how well a model predicts a text, or finds right answers.</summary>
internal static partial class EvaluateCommand
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    public static Command Create(ToolConsole console)
    {
        Argument<string> model = ModelArgument.Create();
        var text = new Option<string?>("--text") { Description = "A text file, or a folder of *.txt files: perplexity and bits per byte." };
        var documents = new Option<string>("--documents") { Description = "What a document is: file, paragraph or line.", DefaultValueFactory = static _ => "paragraph" };
        documents.AcceptOnlyFromAmong("file", "paragraph", "line");
        var choices = new Option<string?>("--choices") { Description = "Multiple choice: a file with {\"prompt\":…,\"choices\":[…],\"answer\":0} on each line." };
        Option<GptDevice?> device = ModelArgument.Device();
        var command = new Command("evaluate", "Measures a model on a text, on questions, or on both.") { model, text, documents, choices, device };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            (string? textPath, string? choicesPath) = (parsed.GetValue(text), parsed.GetValue(choices));
            if (textPath is null && choicesPath is null) throw new UsageException("There is nothing to measure on; give --text, --choices or both.");
            if (textPath is null && parsed.GetResult(documents) is { Implicit: false }) throw new UsageException($"{documents.Name} says what a document of {text.Name} is, which is not given; leave it out.");
            Question[] questions = choicesPath is null ? [] : [.. Questions(choicesPath)];
            string[] texts = textPath is null ? [] : [.. TextFiles.Documents(textPath, parsed.GetRequiredValue(documents), cancellationToken)];
            using GptModel gpt = ModelArgument.Open(parsed.GetRequiredValue(model), parsed.GetValue(device), cancellationToken);
            var ml = new MLContext();
            if (textPath is not null)
            {
                // As train reads the same file.
                var options = new ScoreTextOptions { SpecialTokens = SpecialTokenHandling.AsText };
                console.Out.WriteLine(ml.Gpt().Evaluate.LanguageModel(ml.Data.LoadFromEnumerable(texts.Select(static document => new TextRow { Text = document })), "Text", gpt, options, cancellationToken));
            }

            if (choicesPath is null) return;
            MultipleChoiceMetrics metrics = ml.Gpt().Evaluate.MultipleChoice(
                ml.Data.LoadFromEnumerable(questions.Select(static question => new QuestionRow { Prompt = question.Prompt, Choices = [.. question.Choices], Answer = question.Answer })), gpt, "prompt", "choices", "answer", cancellationToken: cancellationToken);
            console.Out.WriteLine(metrics);
            foreach (QuestionProblem problem in metrics.Problems) console.Error.WriteLine($"mlnet-gpt: question {problem.Row + 1}: {console.OneLine(problem.Problem)}");
        });
        return command;
    }

    private static IEnumerable<Question> Questions(string path)
    {
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "there is no such file.", "Name a file with a question on each line.");
        int number = 0, found = 0;
        foreach (string line in TextFiles.Lines(path))
        {
            number++;
            if (line.Trim().Length == 0) continue;
            Question? question = null;
            string problem = "it is null";
            try
            {
                question = JsonSerializer.Deserialize<Question>(line, Strict);
            }
            catch (JsonException exception)
            {
                problem = ReadersTerms().Replace(exception.Message, "").Replace("could not be mapped to any .NET member", "is none of a question's", StringComparison.Ordinal).TrimEnd('.', ' ');
            }

            found++;
            yield return question ?? throw new CorruptFileException(path, $"line {number} is no question: {problem}.", "Write each as {\"prompt\":\"…\",\"choices\":[\"…\",\"…\"],\"answer\":0}.");
        }

        if (found == 0) throw new CorruptFileException(path, "there is no question in it.", "Give a question on each line.");
    }

    // What the JSON reader calls our records, and its own count of lines in a single one, say nothing to a user.
    [GeneratedRegex(@" (for|contained in) type '[^']*'| Path: \S+ \| LineNumber: \d+ \| BytePositionInLine: \d+\.?")]
    private static partial Regex ReadersTerms();

    private sealed record Question(string Prompt, IReadOnlyList<string> Choices, int Answer);

    private sealed class QuestionRow
    {
        [ColumnName("prompt")]
        public string Prompt { get; set; } = "";

        [ColumnName("choices")]
        public string[] Choices { get; set; } = [];

        [ColumnName("answer")]
        public int Answer { get; set; }
    }
}

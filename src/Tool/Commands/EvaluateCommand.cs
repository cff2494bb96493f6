using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>evaluate</c>: how well a model predicts a text, or finds right answers.</summary>
internal static class EvaluateCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> model = ModelArgument.Create();
        var text = new Option<string?>("--text") { Description = "A text file, JSON lines (*.jsonl) with a member \"text\", or a folder of *.txt and *.jsonl files: perplexity and bits per byte." };
        Option<string> documents = TextFiles.DocumentsOption();
        var choices = new Option<string?>("--choices") { Description = "Multiple choice: a file with {\"prompt\":…,\"choices\":[…],\"answer\":0} on each line." };
        Option<GptDevice?> device = ModelArgument.Device();
        var command = new Command("evaluate", "Measures a model on a text, on questions, or on both.") { model, text, documents, choices, device };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            (string? textPath, string? choicesPath) = (parsed.GetValue(text), parsed.GetValue(choices));
            if (textPath is null && choicesPath is null) throw new UsageException("There is nothing to measure on; give --text, --choices or both.");
            if (textPath is null && parsed.GetResult(documents) is { Implicit: false }) throw new UsageException($"{documents.Name} says what a document of {text.Name} is, which is not given; leave it out.");
            Question[] questions = choicesPath is null ? [] : [.. Questions(choicesPath)];
            string[] texts = textPath is null ? [] : [.. TextFiles.Documents(textPath, parsed, documents, cancellationToken)];
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

    private static IEnumerable<Question> Questions(string path) => JsonLines.Lines(path, "question")
        .Select(row => JsonLines.Parse<Question>(path, row.Number, row.Line, "question", "{\"prompt\":\"…\",\"choices\":[\"…\",\"…\"],\"answer\":0}"));

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

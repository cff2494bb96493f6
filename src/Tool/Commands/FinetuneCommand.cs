using System.CommandLine;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>finetune</c>: a checkpoint and examples to a checkpoint that completes or answers as they do.</summary>
internal static class FinetuneCommand
{
    private const string What = "example";

    private const string Form = "{\"prompt\":\"…\",\"completion\":\"…\"} or {\"messages\":[{\"role\":\"user\",\"content\":\"…\"},{\"role\":\"assistant\",\"content\":\"…\"}]}";

    private static readonly Dictionary<string, ExampleOverflow> Overflows = new() { ["error"] = ExampleOverflow.Error, ["keep-tail"] = ExampleOverflow.KeepTail, ["keep-head"] = ExampleOverflow.KeepHead, ["skip"] = ExampleOverflow.Skip };

    private static readonly Dictionary<string, ChatTemplate> Templates = new() { ["plain"] = ChatTemplate.Default, ["chatml"] = ChatTemplate.ChatMl };

    public static Command Create(ToolConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "The pretrained model: a checkpoint's folder, in Hugging Face's layout for GPT-1 or GPT-2." };
        var examples = new Argument<string>("examples") { Description = "A file with {\"prompt\":…,\"completion\":…}, or a conversation as {\"messages\":[…]}, on each line." };
        var epochs = new Option<int>("--epochs") { Description = "Passes over the examples.", DefaultValueFactory = static _ => 3 }.AsNumber();
        var packing = new Option<bool>("--packing") { Description = "Let short examples share rows, each blind to the others: the same result, sooner." };
        var overflow = new Option<string>("--overflow") { Description = "What happens to an example that is longer than the context: error, keep-tail (its end stays), keep-head, or skip.", DefaultValueFactory = static _ => "error" };
        overflow.AcceptOnlyFromAmong([.. Overflows.Keys]);
        var template = new Option<string?>("--template") { Description = "How conversations become text: plain or chatml. Default: the checkpoint's own way, else plain." };
        template.AcceptOnlyFromAmong([.. Templates.Keys]);
        var lora = new LoraSwitches();
        var training = new TrainingSwitches("the model in its folder 'model', an adapter in 'adapter'", "Examples", batch: 32, "0.0000625 for the weights, 0.0002 for an adapter", "examples");
        var command = new Command("finetune", "Teaches a pretrained GPT to complete prompts or to answer in conversations. Ctrl-C stops it; --resume goes on from the last checkpoint.") { checkpoint, examples, epochs, packing, overflow, template };
        lora.AddTo(command);
        training.AddTo(command);
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            // 1. The examples.
            TrainingChoices choices = training.Read(parsed, cancellationToken);
            (LoraOptions? adapter, int passes, string path) = (lora.Read(parsed), parsed.GetValue(epochs), parsed.GetRequiredValue(examples));
            TrainingSwitches.Require(passes >= 1, epochs, passes, "1 or more");
            Example[] rows = Examples(path, cancellationToken);
            bool conversations = rows[0].IsConversation;
            if (!conversations && parsed.GetValue(template) is not null) throw new UsageException($"{template.Name} says how conversations become text, and '{path}' holds prompts and completions; leave it out.");
            console.Out.WriteLine($"{rows.Length:N0} {(conversations ? "conversations" : "prompts with completions")}");

            // 2. Training.
            string pretrained = parsed.GetRequiredValue(checkpoint);
            MLContext ml = TrainingSwitches.Context(console, choices);
            var options = new SupervisedFineTuningOptions
            {
                Pretrained = pretrained,
                ChatTemplate = parsed.GetValue(template) is { } name ? Templates[name] : null,
                Lora = adapter,
                Epochs = passes,
                BatchSize = choices.BatchSize,
                MicroBatchSize = MicroBatchSize.Auto,
                Packing = parsed.GetValue(packing),
                Overflow = Overflows[parsed.GetRequiredValue(overflow)],
                Optimizer = AdamWOptions.FineTuning with { LearningRate = choices.LearningRate ?? (adapter is null ? 6.25e-5 : 2e-4) },
                Evaluation = new() { ValidationFraction = choices.ValidationFraction },
                Run = choices.Run,
            };
            using GptSupervisedFineTuningTransformer trained = JsonLines.Learn(path, row => rows[row].Line, () => training.Fit(() =>
                (conversations ? ml.Gpt().Trainers.SupervisedFineTuning("written", "messages", options) : ml.Gpt().Trainers.SupervisedFineTuning("written", "prompt", "completion", options))
                .Fit(ml.Data.LoadFromEnumerable(rows))));
            FineTuningResult result = trained.Training;
            training.RequireWhole(result.Cancelled, result.Steps, console, cancellationToken);
            TrainingSwitches.Save(trained.Model, choices.Folder, adapter, pretrained, console);
        });
        return command;
    }

    private static Example[] Examples(string path, CancellationToken cancellationToken)
    {
        var rows = new List<Example>();
        foreach ((int number, string line) in JsonLines.Lines(path, What))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Example row = line.TrimStart() is ['[', ..] ? new() { Line = number, Messages = line, IsConversation = true } : Of(JsonLines.Parse<Members>(path, number, line, What, Form), number);
            if (rows.Count > 0 && rows[0].IsConversation != row.IsConversation)
            {
                throw JsonLines.Wrong(path, number, $"is {Kind(row)}, and line {rows[0].Line} {Kind(rows[0])}.", "Give all lines one form, or train on two files in turn.");
            }

            rows.Add(row);
        }

        return [.. rows];

        static string Kind(Example row) => row.IsConversation ? "a conversation" : "a prompt with a completion";

        Example Of(Members members, int number) => members switch
        {
            { Messages: { } messages, Prompt: null, Completion: null } => new() { Line = number, Messages = messages.GetRawText(), IsConversation = true },
            { Messages: null, Prompt: { } prompt, Completion: { } completion } => new() { Line = number, Prompt = prompt, Completion = completion },
            _ => throw JsonLines.Wrong(path, number, $"is no {What}: it has {(members.Messages is not null ? "\"messages\" beside a prompt or a completion" : members.Prompt is null ? "no \"prompt\"" : "no \"completion\"")}.", $"Write each as {Form}."),
        };
    }

    private sealed record Members(string? Prompt = null, string? Completion = null, JsonElement? Messages = null);

    private sealed class Example
    {
        public int Line { get; init; }

        public bool IsConversation { get; init; }

        [ColumnName("prompt")]
        public string Prompt { get; init; } = "";

        [ColumnName("completion")]
        public string Completion { get; init; } = "";

        [ColumnName("messages")]
        public string Messages { get; init; } = "";
    }
}

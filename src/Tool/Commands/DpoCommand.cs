using System.CommandLine;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>dpo</c>: a checkpoint and pairs of responses to a checkpoint that prefers what was chosen.</summary>
internal static class DpoCommand
{
    private const string What = "pair";

    private const string Form = "{\"prompt\":\"…\",\"chosen\":\"…\",\"rejected\":\"…\"}, the prompt a text or a conversation, [{\"role\":\"user\",\"content\":\"…\"}]";

    public static Command Create(ToolConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "The policy to begin with, best a fine-tuned one: a checkpoint's folder, in Hugging Face's layout for GPT-1 or GPT-2." };
        var pairs = new Argument<string>("pairs") { Description = "A file with {\"prompt\":…,\"chosen\":…,\"rejected\":…} on each line; the prompt is a text, or an array of messages." };
        var epochs = new Option<int>("--epochs") { Description = "Passes over the pairs.", DefaultValueFactory = static _ => 1 }.AsNumber();
        var beta = new Option<double>("--beta") { Description = "How much the model of the beginning holds the trained one.", DefaultValueFactory = static _ => 0.1 }.AsNumber();
        var lora = new LoraSwitches();
        var training = new TrainingSwitches("the model in its folder 'model', an adapter in 'adapter'", "Pairs", batch: 64, "0.000001 for the weights, 0.00005 for an adapter", "prompts");
        var command = new Command("dpo", "Teaches a GPT what is preferred, by pairs of a chosen and a rejected response (DPO). Ctrl-C stops it; --resume goes on from the last checkpoint.") { checkpoint, pairs, epochs, beta };
        lora.AddTo(command);
        training.AddTo(command);
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            // 1. The pairs.
            TrainingChoices choices = training.Read(parsed, cancellationToken);
            (LoraOptions? adapter, int passes, double held, string path) = (lora.Read(parsed), parsed.GetValue(epochs), parsed.GetValue(beta), parsed.GetRequiredValue(pairs));
            TrainingSwitches.Require(passes >= 1, epochs, passes, "1 or more");
            TrainingSwitches.Require(held > 0 && double.IsFinite(held), beta, held, "above 0 and finite");
            Pair[] rows = Pairs(path, cancellationToken);
            console.Out.WriteLine($"{rows.Length:N0} pairs");

            // 2. Training.
            string pretrained = parsed.GetRequiredValue(checkpoint);
            MLContext ml = TrainingSwitches.Context(console, choices);
            var options = new DirectPreferenceOptions
            {
                Pretrained = pretrained,
                Beta = held,
                Lora = adapter,
                Epochs = passes,
                BatchSize = choices.BatchSize,
                MicroBatchSize = MicroBatchSize.Auto,
                Optimizer = choices.LearningRate is { } rate ? AdamWOptions.FineTuning with { LearningRate = rate } : null,
                Evaluation = new() { ValidationFraction = choices.ValidationFraction },
                Run = choices.Run,
                Generation = new() { PromptForm = rows[0].IsConversation ? PromptForm.Conversation : PromptForm.Text },
            };
            using GptDirectPreferenceTransformer trained = JsonLines.Learn(path, row => rows[row].Line, () => training.Fit(() =>
                ml.Gpt().Trainers.DirectPreference("written", "prompt", "chosen", "rejected", options).Fit(ml.Data.LoadFromEnumerable(rows))));
            DirectPreferenceResult result = trained.Training;
            training.RequireWhole(result.Cancelled, result.Steps, console, cancellationToken);
            TrainingSwitches.Save(trained.Model, choices.Folder, adapter, pretrained, console);
        });
        return command;
    }

    private static Pair[] Pairs(string path, CancellationToken cancellationToken)
    {
        var rows = new List<Pair>();
        foreach ((int number, string line) in JsonLines.Lines(path, What))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Members members = JsonLines.Parse<Members>(path, number, line, What, Form);
            bool conversation = members.Prompt.ValueKind == JsonValueKind.Array;
            if (!conversation && members.Prompt.ValueKind != JsonValueKind.String)
                throw JsonLines.Wrong(path, number, $"is no {What}: its prompt is a JSON {members.Prompt.ValueKind}.", $"Write each as {Form}.");
            if (rows.Count > 0 && rows[0].IsConversation != conversation)
                throw JsonLines.Wrong(path, number, $"has {Kind(conversation)} for its prompt, and line {rows[0].Line} {Kind(rows[0].IsConversation)}.", "Give all lines one form, or train on two files in turn.");
            rows.Add(new() { Line = number, IsConversation = conversation, Prompt = conversation ? members.Prompt.GetRawText() : members.Prompt.GetString()!, Chosen = members.Chosen, Rejected = members.Rejected });
        }

        return [.. rows];

        static string Kind(bool conversation) => conversation ? "a conversation" : "a text";
    }

    private sealed record Members(JsonElement Prompt, string Chosen, string Rejected);

    private sealed class Pair
    {
        public int Line { get; init; }

        public bool IsConversation { get; init; }

        [ColumnName("prompt")]
        public string Prompt { get; init; } = "";

        [ColumnName("chosen")]
        public string Chosen { get; init; } = "";

        [ColumnName("rejected")]
        public string Rejected { get; init; } = "";
    }
}

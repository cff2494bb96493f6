using System.CommandLine;
using Microsoft.ML;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>train</c>: text to a checkpoint.</summary>
internal static class TrainCommand
{
    // A model that a laptop trains in some minutes.
    private static readonly GptConfig Small = new() { VocabularySize = 4_096, ContextLength = 256, EmbeddingSize = 256, LayerCount = 4, HeadCount = 4 };

    private static readonly Dictionary<string, GptConfig> Shapes = new(StringComparer.OrdinalIgnoreCase)
    {
        ["small"] = Small, ["gpt2"] = GptConfig.Gpt2Small, ["gpt2-medium"] = GptConfig.Gpt2Medium, ["gpt2-large"] = GptConfig.Gpt2Large, ["gpt2-xl"] = GptConfig.Gpt2Xl,
    };

    public static Command Create(ToolConsole console)
    {
        var text = new Argument<string>("text") { Description = "A text file, JSON lines (*.jsonl) with a member \"text\", or a folder of *.txt and *.jsonl files." };
        Option<string> documents = TextFiles.DocumentsOption();
        var shape = new Option<string>("--shape") { Description = $"The model's shape: small ({Small.LayerCount} blocks of width {Small.EmbeddingSize}, {Small.ContextLength} positions, {Small.VocabularySize} tokens) or one of GPT-2's.", DefaultValueFactory = static _ => "small" };
        shape.AcceptOnlyFromAmong([.. Shapes.Keys]);
        var layers = new Option<int?>("--layers") { Description = "Blocks, in place of the shape's." }.AsNumber();
        var width = new Option<int?>("--width") { Description = "The width of the residual stream, in place of the shape's." }.AsNumber();
        var heads = new Option<int?>("--heads") { Description = "Attention heads, in place of the shape's." }.AsNumber();
        var context = new Option<int?>("--context") { Description = "Positions, in place of the shape's." }.AsNumber();
        var vocabulary = new Option<int?>("--vocabulary") { Description = "Tokens, in place of the shape's." }.AsNumber();
        var tokenizer = new Option<string?>("--tokenizer") { Description = "A folder with a tokenizer; without it one is trained on the text." };
        var steps = new Option<int>("--steps", "-n") { Description = "Updates.", DefaultValueFactory = static _ => 2_000 }.AsNumber();
        var interval = new Option<int>("--evaluate-every") { Description = "Updates between two measurements on it; 0 for none.", DefaultValueFactory = static _ => 250 }.AsNumber();
        var training = new TrainingSwitches("the model in its folder 'model'", "Rows", batch: 16, "0.001", "documents");
        var command = new Command("train", "Trains a GPT from scratch on text. Ctrl-C stops it; --resume goes on from the last checkpoint.")
        {
            text, documents, shape, layers, width, heads, context, vocabulary, tokenizer, steps, interval,
        };
        training.AddTo(command);
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            // 1. The text.
            TrainingChoices choices = training.Read(parsed, cancellationToken);
            (int updates, int every) = (parsed.GetValue(steps), parsed.GetValue(interval));
            TrainingSwitches.Require(updates >= 1, steps, updates, "1 or more");
            TrainingSwitches.Require(every >= 0, interval, every, "1 or more, or 0 for none");
            TextRow[] rows = [.. TextFiles.Documents(parsed.GetRequiredValue(text), parsed, documents, cancellationToken).Select(static document => new TextRow { Text = document })];
            if (rows.Length == 1 && choices.ValidationFraction > 0) throw new UsageException($"The text is a single document, which can't be split; set {documents.Name} to paragraph or line, or {training.ValidationName} to 0.");
            console.Out.WriteLine($"{rows.Length:N0} documents, {rows.Sum(static row => (long)row.Text.Length):N0} characters");

            // 2. The model's shape.
            GptConfig config = Shapes[parsed.GetRequiredValue(shape)];
            GptTokenizer? given = parsed.GetValue(tokenizer) is { } path ? GptTokenizer.Load(path) : null;
            if (given is not null && parsed.GetValue(vocabulary) is { } size && size < given.VocabularySize) throw new UsageException($"--vocabulary is {size}, and the tokenizer has {given.VocabularySize} tokens; give as many or more, or leave it out.");
            config = config with
            {
                LayerCount = parsed.GetValue(layers) ?? config.LayerCount,
                EmbeddingSize = parsed.GetValue(width) ?? config.EmbeddingSize,
                HeadCount = parsed.GetValue(heads) ?? config.HeadCount,
                ContextLength = parsed.GetValue(context) ?? config.ContextLength,
                VocabularySize = parsed.GetValue(vocabulary) ?? given?.VocabularySize ?? config.VocabularySize,
            };

            try
            {
                config.Validate();
            }
            catch (ArgumentException exception)
            {
                throw new UsageException(exception.Message);
            }

            // 3. Training.
            MLContext ml = TrainingSwitches.Context(console, choices);
            LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
            {
                Model = config,
                Tokenizer = given,
                MaxSteps = updates,
                BatchSize = choices.BatchSize,
                Optimizer = new() { LearningRate = choices.LearningRate ?? 1e-3, WarmupSteps = Math.Min(100, updates / 10) },
                Evaluation = new() { ValidationFraction = choices.ValidationFraction, Interval = every },
                Run = choices.Run,
            });
            using GptLanguageModelTransformer trained = training.Fit(() => trainer.Fit(ml.Data.LoadFromEnumerable(rows)));
            training.RequireWhole(trained.Training.Cancelled, trained.Training.Steps, console, cancellationToken);
            string model = Path.Combine(choices.Folder, "model");
            trained.Model.SaveCheckpoint(model);
            console.Out.WriteLine($"{model}: {trained.Model.Config.ParameterCount:N0} parameters{(trained.Training.BestValidationLoss is { } loss ? FormattableString.Invariant($", validation loss {loss:F4}") : "")}");
        });
        return command;
    }
}

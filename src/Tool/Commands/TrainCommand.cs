using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.Runtime;

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
        var text = new Argument<string>("text") { Description = "A text file, or a folder whose *.txt files are read." };
        var run = new Option<string>("--output", "-o") { Description = "The run's folder: checkpoints, metrics, loss curve, and in the end the model in its folder 'model'.", Required = true };
        var documents = new Option<string>("--documents") { Description = "What a document is: file, paragraph (ends at a blank line) or line.", DefaultValueFactory = static _ => "paragraph" };
        documents.AcceptOnlyFromAmong("file", "paragraph", "line");
        var shape = new Option<string>("--shape") { Description = $"The model's shape: small ({Small.LayerCount} blocks of width {Small.EmbeddingSize}, {Small.ContextLength} positions, {Small.VocabularySize} tokens) or one of GPT-2's.", DefaultValueFactory = static _ => "small" };
        shape.AcceptOnlyFromAmong([.. Shapes.Keys]);
        var layers = new Option<int?>("--layers") { Description = "Blocks, in place of the shape's." }.AsNumber();
        var width = new Option<int?>("--width") { Description = "The width of the residual stream, in place of the shape's." }.AsNumber();
        var heads = new Option<int?>("--heads") { Description = "Attention heads, in place of the shape's." }.AsNumber();
        var context = new Option<int?>("--context") { Description = "Positions, in place of the shape's." }.AsNumber();
        var vocabulary = new Option<int?>("--vocabulary") { Description = "Tokens, in place of the shape's." }.AsNumber();
        var tokenizer = new Option<string?>("--tokenizer") { Description = "A folder with a tokenizer; without it one is trained on the text." };
        var steps = new Option<int>("--steps", "-n") { Description = "Updates.", DefaultValueFactory = static _ => 2_000 }.AsNumber();
        var batch = new Option<int>("--batch") { Description = "Rows in an update.", DefaultValueFactory = static _ => 16 }.AsNumber();
        var rate = new Option<double>("--learning-rate") { Description = "The largest learning rate.", DefaultValueFactory = static _ => 1e-3 }.AsNumber();
        var validation = new Option<double>("--validation") { Description = "The share of the documents that is held out.", DefaultValueFactory = static _ => 0.1 }.AsNumber();
        var interval = new Option<int>("--evaluate-every") { Description = "Updates between two measurements on it; 0 for none.", DefaultValueFactory = static _ => 250 }.AsNumber();
        var seed = new Option<int>("--seed") { Description = "The seed of weights, order and split.", DefaultValueFactory = static _ => 1 }.AsNumber();
        var resume = new Option<bool>("--resume") { Description = "Go on with the run in the output folder." };
        Option<GptDevice?> device = ModelArgument.Device();
        var command = new Command("train", "Trains a GPT from scratch on text. Ctrl-C stops it; --resume goes on from the last checkpoint.")
        {
            text, run, documents, shape, layers, width, heads, context, vocabulary, tokenizer, steps, batch, rate, validation, interval, seed, resume, device,
        };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            // 1. The text.
            string folder = parsed.GetRequiredValue(run);
            if (folder.Length == 0) throw new UsageException("--output is empty; name the run's folder.");
            (int updates, int rowsOfUpdate, double largestRate) = (parsed.GetValue(steps), parsed.GetValue(batch), parsed.GetValue(rate));
            (double share, int every) = (parsed.GetValue(validation), parsed.GetValue(interval));
            Require(updates >= 1, steps, updates, "1 or more");
            Require(rowsOfUpdate >= 1, batch, rowsOfUpdate, "1 or more");
            Require(largestRate > 0 && double.IsFinite(largestRate), rate, largestRate, "above 0 and finite");
            Require(share is >= 0 and < 1, validation, share, "at least 0 and below 1; 0 holds nothing out");
            Require(every >= 0, interval, every, "1 or more, or 0 for none");
            TextRow[] rows = [.. TextFiles.Documents(parsed.GetRequiredValue(text), parsed.GetRequiredValue(documents), cancellationToken).Select(static document => new TextRow { Text = document })];
            if (rows.Length == 1 && share > 0) throw new UsageException($"The text is a single document, which can't be split; set {documents.Name} to paragraph or line, or {validation.Name} to 0.");
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
            var ml = new MLContext(parsed.GetValue(seed));
            ml.Log += (_, line) =>
            {
                // The reports, and what a run says besides: that it begins anew, that an update is skipped, that a checkpoint can't be used.
                if (!line.Source.StartsWith("Gpt", StringComparison.Ordinal) || cancellationToken.IsCancellationRequested) return;
                TextWriter? to = line.Kind switch { ChannelMessageKind.Info => console.Out, ChannelMessageKind.Warning => console.Error, _ => null };
                to?.WriteLine(CommandLineTerms.In(line.RawMessage));
            };
            LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
            {
                Model = config,
                Tokenizer = given,
                MaxSteps = updates,
                BatchSize = rowsOfUpdate,
                Optimizer = new() { LearningRate = largestRate, WarmupSteps = Math.Min(100, updates / 10) },
                Evaluation = new() { ValidationFraction = share, Interval = every },
                Run = new()
                {
                    Folder = folder,
                    Resume = parsed.GetValue(resume),
                    Seed = parsed.GetValue(seed),
                    Device = parsed.GetValue(device),
                    CancellationToken = cancellationToken,
                },
            });
            using GptLanguageModelTransformer trained = Fit(trainer, ml.Data.LoadFromEnumerable(rows));
            if (trained.Training.Cancelled)
            {
                console.Out.WriteLine($"stopped after {trained.Training.Steps:N0} updates; --resume with the same options goes on from there");
                throw new OperationCanceledException(cancellationToken);
            }

            string model = Path.Combine(folder, "model");
            trained.Model.SaveCheckpoint(model);
            console.Out.WriteLine($"{model}: {trained.Model.Config.ParameterCount:N0} parameters{(trained.Training.BestValidationLoss is { } loss ? FormattableString.Invariant($", validation loss {loss:F4}") : "")}");
        });
        return command;

        GptLanguageModelTransformer Fit(LanguageModelTrainer trainer, IDataView rows)
        {
            try
            {
                return trainer.Fit(rows);
            }
            catch (RunExistsException exception)
            {
                throw new UsageException($"Folder '{exception.Path}' holds the checkpoints of a run. Give {resume.Name} to go on with it, or name another {run.Name}.");
            }
            catch (Exception exception) when (exception is ResumeMismatchException or ArgumentException)
            {
                throw new UsageException(exception.Message);
            }
        }

        static void Require<T>(bool holds, Option option, T value, string range)
        {
            if (!holds) throw new UsageException(FormattableString.Invariant($"{option.Name} is {value}; it must be {range}."));
        }
    }
}

using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>The trainers of <c>ml.Gpt().Trainers</c>.</summary>
public sealed class GptTrainersCatalog
{
    private readonly MLContext _context;

    internal GptTrainersCatalog(MLContext context) => _context = context;

    /// <summary>Pretrains a GPT on a text column.</summary>
    /// <param name="inputColumnName">The column that holds one document a row.</param>
    /// <param name="model">The shape of the model; its vocabulary size is the size of the tokenizer to train. Null means <see cref="GptConfig.Gpt2Small"/>.</param>
    /// <param name="maxSteps">Updates of the run, 1 or more.</param>
    /// <param name="batchSize">Rows of T + 1 tokens in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate after the warm-up, above 0.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public LanguageModelTrainer LanguageModel(string inputColumnName, GptConfig? model = null, int maxSteps = 2_000, int batchSize = 8, double learningRate = 6e-4, string? runFolder = null) =>
        LanguageModel(inputColumnName, new LanguageModelOptions
        {
            Model = model ?? GptConfig.Gpt2Small,
            MaxSteps = maxSteps,
            BatchSize = batchSize,
            Optimizer = new() { LearningRate = learningRate },
            RunFolder = runFolder,
        });

    /// <summary>Pretrains a GPT on a text column.</summary>
    /// <param name="inputColumnName">The column that holds one document a row.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public LanguageModelTrainer LanguageModel(string inputColumnName, LanguageModelOptions options) => new(_context, inputColumnName, options);

    /// <summary>Teaches a pretrained GPT to complete prompts, with the defaults of InstructGPT.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the completion that the model writes.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="completionColumnName">The text column of completions; needed in training only.</param>
    /// <param name="pretrained">The pretrained model, on TorchSharp; it stays as it is.</param>
    /// <param name="lora">Trains an adapter over the frozen model; null (the default) trains all weights.</param>
    /// <param name="epochs">Passes over the examples, 1 or more.</param>
    /// <param name="batchSize">Examples in one update, 1 or more.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(
        string outputColumnName, string promptColumnName, string completionColumnName, GptModel pretrained, LoraOptions? lora = null, int epochs = 16, int batchSize = 32, string? runFolder = null) =>
        SupervisedFineTuning(outputColumnName, promptColumnName, completionColumnName, new SupervisedFineTuningOptions
        {
            Pretrained = pretrained,
            Lora = lora,
            Epochs = epochs,
            BatchSize = batchSize,
            RunFolder = runFolder,
        });

    /// <summary>Teaches a pretrained GPT to complete prompts.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the completion that the model writes.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="completionColumnName">The text column of completions; needed in training only.</param>
    /// <param name="options">How, and which model.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(string outputColumnName, string promptColumnName, string completionColumnName, SupervisedFineTuningOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(completionColumnName);
        return new(_context, outputColumnName, promptColumnName, completionColumnName, options);
    }

    /// <summary>Teaches a pretrained GPT to answer in conversations.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the answer that the model writes to a conversation that ends with the user.</param>
    /// <param name="conversationColumnName">The text column of conversations as JSON, each with a turn of the assistant at least; see <see cref="ConversationJson"/>.</param>
    /// <param name="options">How, and which model.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(string outputColumnName, string conversationColumnName, SupervisedFineTuningOptions options) =>
        new(_context, outputColumnName, conversationColumnName, completionColumnName: null, options);
}

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
}

using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>A run of seconds, for tests that need a trained model.</summary>
internal static class SmallModel
{
    public static LanguageModelOptions Options { get; } = new()
    {
        Model = new GptConfig { VocabularySize = 320, ContextLength = 48, EmbeddingSize = 48, LayerCount = 2, HeadCount = 4 },
        MaxSteps = 60,
        BatchSize = 8,
        Optimizer = new() { LearningRate = 4e-3, WarmupSteps = 5 },
        Evaluation = new() { Interval = 30 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    public static GptLanguageModelTransformer Train(MLContext ml, LanguageModelOptions? options = null) =>
        ml.Gpt().Trainers.LanguageModel("Text", options ?? Options).Fit(ml.Data.LoadFromEnumerable(Texts.Sentences(300)));
}

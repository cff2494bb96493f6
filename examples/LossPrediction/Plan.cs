using MLNet.Gpt;

namespace LossPredictionExample;

/// <summary>Which runs are made. A run's learning rate decays to its own end, so each number of tokens needs a run of its own.</summary>
/// <param name="Small">The sizes that the law is fitted to.</param>
/// <param name="Large">The size that is predicted.</param>
/// <param name="Steps">The lengths of the small runs, in updates.</param>
/// <param name="LargeSteps">The length of the large run.</param>
/// <param name="BatchSize">Rows in an update.</param>
/// <param name="ContextLength">Characters in a row.</param>
/// <param name="EvaluationRows">Held-out rows; the same for every run.</param>
/// <param name="Documents">How many documents are read.</param>
internal sealed record Plan(Size[] Small, Size Large, int[] Steps, int LargeSteps, int BatchSize, int ContextLength, int EvaluationRows, int Documents)
{
    public static Plan Full { get; } = new([new(2, 32), new(2, 48), new(3, 64), new(3, 96)], new(4, 128), [800, 1_600, 3_200], 6_000, 8, 64, 800, int.MaxValue);

    /// <summary>Shows the way in seconds; the runs are too short for their losses to follow the law.</summary>
    public static Plan Quick { get; } = new([new(1, 16), new(1, 32), new(2, 32), new(2, 48)], new(2, 64), [30, 60, 120], 160, 8, 32, 64, 4_000);

    /// <summary>D of a run.</summary>
    public long Tokens(int steps) => (long)steps * BatchSize * ContextLength;
}

/// <summary>L layers of width C, in heads of 16 channels.</summary>
internal sealed record Size(int Layers, int Width)
{
    public GptConfig Config(int vocabularySize, int contextLength) =>
        new() { VocabularySize = vocabularySize, ContextLength = contextLength, LayerCount = Layers, EmbeddingSize = Width, HeadCount = Width / 16 };

    /// <summary>N outside the embeddings, as Kaplan et al. count it: at these sizes the embeddings are a large part of the rest.</summary>
    public static double Parameters(GptConfig config) =>
        config.ParameterCount - ((double)(config.VocabularySize + config.ContextLength) * config.EmbeddingSize);

    /// <summary>Narrow models bear, and need, higher rates.</summary>
    public double LearningRate => 4e-3 * Math.Sqrt(32.0 / Width);

    public override string ToString() => $"{Layers} × {Width}";
}

namespace MLNet.Gpt.Benchmarks;

/// <summary>A model and a run that both sides train.</summary>
/// <param name="Layers">L.</param>
/// <param name="Heads">H.</param>
/// <param name="Width">C.</param>
/// <param name="Context">T.</param>
/// <param name="Batch">B.</param>
/// <param name="Steps">Updates.</param>
/// <param name="Seeds">Runs of ours whose losses are averaged.</param>
/// <param name="Evaluate">Whether the losses are compared.</param>
/// <param name="BFloat16">Whether bfloat16 is measured beside float32.</param>
internal sealed record PretrainSetting(int Layers, int Heads, int Width, int Context, int Batch, int Steps, int Seeds, bool Evaluate, bool BFloat16)
{
    /// <summary>nanoGPT's setting for a CPU.</summary>
    public static PretrainSetting Character { get; } = new(4, 4, 128, 64, 12, 2_000, 3, Evaluate: true, BFloat16: false);

    /// <summary>nanoGPT's setting for a GPU, with a smaller batch: 10.65 M parameters.</summary>
    public static PretrainSetting TenMillion { get; } = new(6, 6, 384, 256, 8, 300, 1, Evaluate: true, BFloat16: true);

    /// <summary>GPT-2 small's blocks: 85 M parameters.</summary>
    public static PretrainSetting EightyFiveMillion { get; } = new(12, 12, 768, 512, 2, 12, 1, Evaluate: false, BFloat16: true);

    /// <summary>
    /// A model of four layers learns faster from residual projections at full deviation, as the code released with GPT-2 has them; the peer
    /// scales them as nanoGPT does, and so do the larger settings.
    /// </summary>
    public double? ResidualInitializerScale => Layers <= 4 ? 1 : null;

    /// <summary>Tokens of the vocabulary; 0 (the default) for the text's characters. What is more than those stands for nothing and costs as much.</summary>
    public int Vocabulary { get; init; }

    /// <summary>Whether the speed on a machine with other work is measured too.</summary>
    public bool Busy => Layers <= 4 && Evaluate;

    /// <summary>Steps of one speed measurement: some seconds.</summary>
    public int SpeedSteps => Layers <= 4 ? 120 : Layers <= 6 ? 14 : 7;

    /// <summary>The first steps, which no side's speed counts: they fault memory in and compile code.</summary>
    /// <param name="steps">All of a measurement, of which one counts at least.</param>
    public static int WarmUpOf(int steps) => Math.Min(5, steps - 1);

    public double LearningRate => 1e-3;

    /// <summary>The model for a tokenizer's vocabulary.</summary>
    public GptConfig Config(int vocabularySize) => new()
    {
        VocabularySize = Math.Max(vocabularySize, Vocabulary),
        LayerCount = Layers,
        HeadCount = Heads,
        EmbeddingSize = Width,
        ContextLength = Context,
    };

    public double MinLearningRate => 1e-4;

    public int Warmup => Math.Min(100, Steps / 3);
}

using System.Text.Json;

namespace MLNet.Gpt.Trainers.Tests;

/// <summary>A small run over a token file of its own, in a folder that is deleted afterwards.</summary>
internal sealed class TrainingFixture : IDisposable
{
    public const long Seed = 11;

    public static readonly GptConfig Config = new GptConfig { VocabularySize = 24, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };

    private readonly TokenFile _training;
    private readonly TokenFile _validation;

    public TrainingFixture()
    {
        Folder = Directory.CreateTempSubdirectory("mlnet-gpt-training-").FullName;
        _training = WriteTokens("train.tokens", documents: 40, seed: 1);
        _validation = WriteTokens("validation.tokens", documents: 6, seed: 2);
        TrainingRows = new(_training, Config.ContextLength);
        ValidationRows = new(_validation, Config.ContextLength);
    }

    public string Folder { get; }

    public PackedRows TrainingRows { get; }

    public PackedRows ValidationRows { get; }

    public List<string> Log { get; } = [];

    public LanguageModelOptions Options { get; init; } = new()
    {
        Model = Config,
        MaxSteps = 30,
        BatchSize = 4,
        Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 5 },
        Evaluation = new() { Interval = 10, ReturnBest = false },
        Run = new() { CheckpointInterval = 7, LogInterval = 1, PeakFlops = 1e12, Precision = GptPrecision.Float32, Dropout = DropoutOptions.Everywhere(0.1f) },
    };

    public string Run => Path.Combine(Folder, "run");

    public RunFolder RunFolder(LanguageModelOptions options) =>
        new(Run, Seed, PretrainingFingerprint.Of(options, TrainingPlan.Of(options), GptPrecision.Float32, GptDevice.Cpu, Seed, "tokenizer", "data"), options.Run.KeepCheckpoints);

    /// <summary>What the run trains.</summary>
    public static PretrainingModel Model(GptNetwork network) => new(network, GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvw"]));

    /// <summary>Trains a fresh network, or the resumed one; gives the weights and how it went.</summary>
    public (float[] Weights, PretrainingResult Result) Train(LanguageModelOptions options, bool toFolder = false, bool? immediate = null, Action<int>? stepStarting = null)
    {
        RunFolder? folder = toFolder ? RunFolder(options) : null;
        if (folder is not null) Directory.CreateDirectory(folder.Path);
        string? last = options.Run.Resume ? RunCheckpoints.FindLast(Run, Log.Add) : null;
        TrainingCheckpoint? resumed = last is null ? null : TrainingCheckpoint.Open(last);
        resumed?.RequireSame(folder!.Fingerprint);
        folder?.LastWritten = last;
        using GptNetwork network = new(Config, GptDevice.Cpu, Seed) { Dropout = options.Run.Dropout! };
        PretrainingResult result = new PretrainingLoop(Model(network), TrainingRows, ValidationRows, options with { Run = options.Run with { ImmediateUpdates = immediate } }, Seed, folder, Log.Add) { StepStarting = stepStarting }.Run(resumed);
        return ([.. network.Parameters.Master.data<float>()], result);
    }

    public void Dispose()
    {
        _training.Dispose();
        _validation.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Documents that count up from a random token: what comes next is certain but for where one begins.</summary>
    private TokenFile WriteTokens(string name, int documents, int seed)
    {
        var random = new Random(seed);
        string path = Path.Combine(Folder, name);
        using (var writer = new TokenFileWriter(path, Config.VocabularySize, endOfTextId: 23, tokenizerHash: new string('0', 64)))
        {
            for (int i = 0; i < documents; i++)
            {
                int start = random.Next(23), length = random.Next(10, 60);
                writer.Append(Enumerable.Range(start, length).Select(static value => value % 23).ToArray());
            }

            writer.Complete();
        }

        return TokenFile.Open(path);
    }
}

using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt;
using ServingApp.OpenAi;

namespace ServingApp.Models;

/// <summary>What a file gives to serve: a GPT that writes, scores and embeds, a classifier, a reward model, or several of them.</summary>
/// <remarks>
/// A LoRA adapter is served under a name of its own: <see cref="WithAdapter"/> has the same weights, queue and running batch, and differs in <see cref="Generation"/> alone.
/// </remarks>
internal sealed class ServedModel : IDisposable
{
    private readonly IDisposable? _owner; // what the models go with
    private readonly bool _sharesQueue;   // another disposes it

    /// <param name="name">The name in requests.</param>
    /// <param name="sharing">How requests share <paramref name="gpt"/>.</param>
    /// <param name="gpt">What writes, scores and embeds.</param>
    /// <param name="generation">How text is generated where a request does not say; null for the model's own settings.</param>
    /// <param name="classifier">What classifies.</param>
    /// <param name="reward">What rewards.</param>
    /// <param name="owner">What the models go with, disposed with this; null where they are somebody else's.</param>
    /// <exception cref="UnsupportedOptionException">The model generates in a way that requests can't share.</exception>
    public ServedModel(string name, GenerationQueueOptions sharing, GptModel? gpt = null, GenerateTextOptions? generation = null, GptClassifier? classifier = null, GptRewardModel? reward = null, IDisposable? owner = null)
    {
        // Guessed tokens change the speed of one request and not its answer; beams are a batch of their own.
        generation = (generation ?? gpt?.Generation ?? new GenerateTextOptions()) with { PromptLookupTokens = 0 };
        if (generation.BeamCount > 1) throw new UnsupportedOptionException(nameof(generation.BeamCount), generation.BeamCount, "Requests share a batch, which beam search can't; save the pipeline with 1.");
        if (gpt?.Engine.Device.CudaIndex is { } gpu) throw new UnsupportedOptionException("device", $"CUDA {gpu}", "Requests share a batch, which is possible on the CPU alone; run the program with the package Microsoft.ML.OnnxRuntime, or hide the GPU (CUDA_VISIBLE_DEVICES=).");
        (Name, Gpt, Generation, Classifier, Reward, _owner) = (name, gpt, generation, classifier, reward, owner);
        if (gpt is not null) Queue = new GptGenerationQueue(gpt, sharing);
    }

    private ServedModel(ServedModel model, string adapter) =>
        (Name, Gpt, Queue, Generation, _sharesQueue) = ($"{model.Name}@{adapter}", model.Gpt, model.Queue, model.Generation with { Adapter = adapter }, true);

    /// <summary>The name in requests.</summary>
    public string Name { get; }

    public GptModel? Gpt { get; }

    public GptClassifier? Classifier { get; }

    public GptRewardModel? Reward { get; }

    /// <summary>Where generations wait and run together; null where nothing writes.</summary>
    public GptGenerationQueue? Queue { get; }

    /// <summary>How text is generated where a request does not say, and the adapter that texts are written, scored and embedded with.</summary>
    public GenerateTextOptions Generation { get; }

    /// <summary>When it was opened.</summary>
    public DateTimeOffset Opened { get; } = DateTimeOffset.UtcNow;

    /// <summary>Opens a model.zip or the folder of a package.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="name">The name in requests.</param>
    /// <param name="sharing">How requests share what writes.</param>
    /// <exception cref="GptException">The files are missing, damaged, or of a model that this library does not know.</exception>
    /// <exception cref="InvalidOperationException">The zip holds no transformer of MLNet.Gpt.</exception>
    public static ServedModel Open(string path, string name, GenerationQueueOptions sharing)
    {
        if (!Directory.Exists(path)) return OpenZip(path, name, sharing);
        return KindOf(path) switch
        {
            Kind.Gpt => Owning(GptModel.FromOnnx(path, GptDevice.Cpu), gpt => new ServedModel(name, sharing, gpt, owner: gpt)),
            Kind.Reward => Owning(GptRewardModel.FromOnnx(path), reward => new ServedModel(name, sharing, reward: reward, owner: reward)),
            _ => Owning(GptClassifier.FromOnnx(path), classifier => new ServedModel(name, sharing, classifier: classifier, owner: classifier)),
        };
    }

    /// <summary>The same model with one of the adapters that it has loaded, under the name <c>model@adapter</c>. It goes with the model; disposing it changes nothing.</summary>
    /// <param name="adapter">The adapter's name.</param>
    public ServedModel WithAdapter(string adapter) => new(this, adapter);

    /// <exception cref="OpenAiException">The model writes no text.</exception>
    public GptModel RequireGpt() => Gpt ?? throw OpenAiException.Invalid("model", $"The model '{Name}' writes no text; it is a {(Classifier is null ? "reward model" : "classifier")}.", "model_not_supported");

    /// <exception cref="OpenAiException">The model writes no text.</exception>
    public GptGenerationQueue RequireQueue()
    {
        RequireGpt();
        return Queue!;
    }

    public void Dispose()
    {
        if (!_sharesQueue) Queue?.Dispose();
        _owner?.Dispose();
    }

    private static ServedModel OpenZip(string path, string name, GenerationQueueOptions sharing)
    {
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "there is no such file or folder.", "Name a model.zip of ML.NET, or the folder of an ONNX package.");
        ITransformer loaded;
        try
        {
            loaded = new MLContext().Model.Load(path, out _);
        }
        catch (System.Reflection.TargetInvocationException exception) when (exception.InnerException is GptException cause)
        {
            throw cause;
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException or InvalidDataException)
        {
            throw new CorruptFileException(path, $"ML.NET can't read it as a model ({exception.Message.TrimEnd('.')}).", "Save it again with mlContext.Model.Save, or name the folder of an ONNX package or of a checkpoint.", exception);
        }

        return Owning(loaded as IDisposable, owner =>
        {
            ITransformer[] steps = [.. Steps(loaded)];
            GenerateTextTransformer? writes = steps.OfType<GenerateTextTransformer>().FirstOrDefault();
            GptModel? gpt = writes?.Model ?? steps.OfType<ScoreTextTransformer>().FirstOrDefault()?.Model ?? steps.OfType<EmbedTextTransformer>().FirstOrDefault()?.Model
                ?? steps.OfType<ScoreChoicesTransformer>().FirstOrDefault()?.Model;
            GptClassifier? classifier = steps.OfType<ClassifyTextTransformer>().FirstOrDefault()?.Model;
            GptRewardModel? reward = steps.OfType<ScoreResponseTransformer>().FirstOrDefault()?.Model;
            if (gpt is null && classifier is null && reward is null)
                throw new InvalidOperationException($"'{path}' has no transformer of MLNet.Gpt (GenerateText, ScoreText, EmbedText, ScoreChoices, ClassifyText or ScoreResponse); save a pipeline that has one.");
            return new ServedModel(name, sharing, gpt, writes?.Options, classifier, reward, owner);
        });
    }

    private static IEnumerable<ITransformer> Steps(ITransformer transformer) =>
        transformer is TransformerChain<ITransformer> chain ? chain.SelectMany(Steps) : [transformer];

    private static ServedModel Owning<T>(T model, Func<T, ServedModel> serve)
        where T : IDisposable?
    {
        try
        {
            return serve(model);
        }
        catch
        {
            model?.Dispose();
            throw;
        }
    }

    // The members of config.json that say what a package is for; whatever else is wrong with it, opening the package says.
    private static Kind KindOf(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        if (!File.Exists(path)) return Kind.Gpt;
        try
        {
            using JsonDocument config = JsonDocument.Parse(File.ReadAllText(path));
            if (config.RootElement.ValueKind != JsonValueKind.Object) return Kind.Gpt;
            if (config.RootElement.TryGetProperty("mlnet_gpt_reward", out _)) return Kind.Reward;
            return config.RootElement.TryGetProperty("architectures", out JsonElement names) && names.ValueKind == JsonValueKind.Array
                && names.EnumerateArray().Any(static name => name.ValueKind == JsonValueKind.String && name.GetString()!.Contains("For", StringComparison.Ordinal)) ? Kind.Classifier : Kind.Gpt;
        }
        catch (JsonException)
        {
            return Kind.Gpt;
        }
    }

    private enum Kind
    {
        Gpt,
        Classifier,
        Reward,
    }
}

using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt;
using ServingApp.OpenAi;

namespace ServingApp.Models;

/// <summary>What a file gives to serve: a GPT that writes, scores and embeds, a classifier, a reward model, or several of them.</summary>
internal sealed class ServedModel : IDisposable
{
    private readonly IDisposable? _owner; // what the models go with

    public ServedModel(string name, GptModel? gpt = null, GenerateTextOptions? generation = null, GptClassifier? classifier = null, GptRewardModel? reward = null, IDisposable? owner = null)
    {
        (Name, Gpt, Classifier, Reward, _owner) = (name, gpt, classifier, reward, owner);
        Generation = generation ?? gpt?.Generation ?? new GenerateTextOptions();
    }

    /// <summary>The name in requests.</summary>
    public string Name { get; }

    public GptModel? Gpt { get; }

    public GptClassifier? Classifier { get; }

    public GptRewardModel? Reward { get; }

    /// <summary>How text is generated where a request does not say.</summary>
    public GenerateTextOptions Generation { get; }

    /// <summary>When it was opened.</summary>
    public DateTimeOffset Opened { get; } = DateTimeOffset.UtcNow;

    /// <summary>Opens a model.zip or the folder of a package.</summary>
    /// <exception cref="GptException">The files are missing, damaged, or of a model that this library does not know.</exception>
    /// <exception cref="InvalidOperationException">The zip holds no transformer of MLNet.Gpt.</exception>
    public static ServedModel Open(string path, string? name)
    {
        name ??= Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        if (!Directory.Exists(path)) return OpenZip(path, name);
        return KindOf(path) switch
        {
            Kind.Gpt => Owning(GptModel.FromOnnx(path), gpt => new ServedModel(name, gpt, owner: gpt)),
            Kind.Reward => Owning(GptRewardModel.FromOnnx(path), reward => new ServedModel(name, reward: reward, owner: reward)),
            _ => Owning(GptClassifier.FromOnnx(path), classifier => new ServedModel(name, classifier: classifier, owner: classifier)),
        };
    }

    /// <exception cref="OpenAiException">The model writes no text.</exception>
    public GptModel RequireGpt() => Gpt ?? throw OpenAiException.Invalid("model", $"The model '{Name}' writes no text; it is a {(Classifier is null ? "reward model" : "classifier")}.", "model_not_supported");

    public void Dispose() => _owner?.Dispose();

    private static ServedModel OpenZip(string path, string name)
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
            return new ServedModel(name, gpt, writes?.Options, classifier, reward, owner);
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
            using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(path));
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

using System.Text;
using System.Text.Json.Nodes;

namespace MLNet.Gpt;

/// <summary>What lies beside a model's weights and tokenizer and travels with the model: its settings for generation and its chat template.</summary>
/// <remarks>
/// Immutable; may be shared between threads. What was read from a folder is written again byte for byte, also what this library does not use; tokens that config.json alone names are added.
/// A chat template that can't be used hinders conversations alone: it is a <see cref="ChatTemplateProblem"/>, and not an exception of <see cref="Load"/>.
/// </remarks>
internal sealed class ModelCompanions
{
    private readonly IReadOnlyDictionary<string, byte[]> _files;

    private ModelCompanions(GenerationOptions generation, int? beginTokenId, ChatTemplate? template, ChatTemplateException? problem, IReadOnlyDictionary<string, byte[]> files) =>
        (Generation, BeginTokenId, ChatTemplate, ChatTemplateProblem, _files) = (generation, beginTokenId, template, problem, files);

    /// <summary>No settings and no template.</summary>
    public static ModelCompanions None { get; } = new(new GenerationOptions(), null, null, null, new Dictionary<string, byte[]>());

    /// <summary>
    /// The settings for calls that give none: those of generation_config.json as transformers reads them (do_sample missing or false is greedy; top_k is 50 where it samples and does
    /// not say), and <see cref="GenerationOptions"/>'s own where there is no such file. <see cref="GenerationOptions.StopTokenIds"/> are the model's end tokens: eos_token_id of that file,
    /// else of config.json, without the tokenizer's own end-of-text token, which ends a sequence anyway.
    /// </summary>
    public GenerationOptions Generation { get; }

    /// <summary>Whether <see cref="Generation"/> comes from a generation_config.json.</summary>
    public bool HasGenerationSettings => _files.ContainsKey(CheckpointNames.GenerationConfig);

    /// <summary>
    /// The token that stands before a text: bos_token_id of generation_config.json, else of config.json. An empty prompt begins with it, and the first token of a text that is scored is
    /// conditioned on it. Null where the files name none, or one that the tokenizer lacks: the tokenizer's end-of-text token stands there then.
    /// </summary>
    public int? BeginTokenId { get; }

    /// <summary>How conversations are written for the model; null where there is no template, or none that can be used.</summary>
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>Why the template that lies beside the model can't be used, with its file; null where it can, or where there is none.</summary>
    public ChatTemplateException? ChatTemplateProblem { get; }

    /// <summary>What conversations are written with when the model is trained on them: the caller's template, else the model's own, else the default.</summary>
    /// <param name="chosen">The caller's; null for none.</param>
    /// <exception cref="ChatTemplateException">The model came with a template that can't be used, and the caller has none: another one is never taken in silence.</exception>
    internal ChatTemplate TemplateOr(ChatTemplate? chosen) =>
        chosen ?? ChatTemplate ?? (ChatTemplateProblem is { } problem ? throw problem : ChatTemplate.Default);

    /// <summary>Reads a checkpoint folder or an ONNX package.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokenizer">The model's tokenizer. End tokens that it lacks are left out: they are never sampled.</param>
    /// <exception cref="CorruptFileException">generation_config.json or config.json is not what its format says.</exception>
    public static ModelCompanions Load(string folder, GptTokenizer tokenizer)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tokenizer);

        // 1. The settings for generation, and the two tokens, which config.json names where generation_config.json does not.
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        string generationPath = Path.Combine(folder, CheckpointNames.GenerationConfig), configPath = Path.Combine(folder, CheckpointNames.Config);
        var generation = new GenerationOptions();
        int? begin = null;
        if (File.Exists(generationPath))
        {
            byte[] content = File.ReadAllBytes(generationPath);
            using CheckpointJson json = CheckpointJson.Parse(content, generationPath);
            generation = CheckpointGeneration.Read(json, out _);
            begin = json.Int32("bos_token_id");
            files.Add(CheckpointNames.GenerationConfig, content);
        }

        (bool beginIsSilent, bool endIsSilent) = (begin is null, generation.StopTokenIds.Count == 0);
        if ((beginIsSilent || endIsSilent) && File.Exists(configPath))
        {
            using CheckpointJson json = CheckpointJson.Read(configPath);
            begin ??= json.Int32("bos_token_id");
            if (endIsSilent) generation = generation with { StopTokenIds = CheckpointGeneration.ReadFromModelConfig(json).StopTokenIds };
        }

        generation = generation with { StopTokenIds = [.. generation.StopTokenIds.Where(id => id < tokenizer.VocabularySize && id != tokenizer.EndOfTextId).Distinct()] };
        if (begin < 0 || begin >= tokenizer.VocabularySize || begin == tokenizer.EndOfTextId) begin = null;

        // The configuration is written anew with the weights, without these tokens: they go into the file that is kept.
        (beginIsSilent, endIsSilent) = (beginIsSilent && begin is not null, endIsSilent && generation.StopTokenIds.Count > 0);
        if (beginIsSilent || endIsSilent)
        {
            if (!files.ContainsKey(CheckpointNames.GenerationConfig))
            {
                using var stream = new MemoryStream();
                CheckpointGeneration.Write(stream, null, endOfTextId: null);
                files.Add(CheckpointNames.GenerationConfig, stream.ToArray());
            }

            JsonNode json = JsonNode.Parse(StrictJson.WithoutMark(files[CheckpointNames.GenerationConfig]).Span)!;
            if (beginIsSilent) json["bos_token_id"] = begin;
            if (endIsSilent) json["eos_token_id"] = new JsonArray([.. generation.StopTokenIds.Select(static id => JsonValue.Create(id))]);
            files[CheckpointNames.GenerationConfig] = Encoding.UTF8.GetBytes(json.ToJsonString(new() { WriteIndented = true }));
        }

        // 2. The chat template. Whatever is wrong with it, the model itself is whole.
        ChatTemplate? template = null;
        ChatTemplateException? problem = null;
        string templatePath = Path.Combine(folder, ChatTemplate.FileName);
        try
        {
            template = ChatTemplate.Load(folder);
            template?.Validate(tokenizer);
        }
        catch (GptException exception)
        {
            template = null;
            problem = exception is ChatTemplateException { Path: not null } named ? named
                : new ChatTemplateException(templatePath, $"The chat template in {templatePath} can't be used: {exception.Message}", $"Write a template of this library there with {nameof(ChatTemplate)}.{nameof(ChatTemplate.Save)}, or fine-tune the model on conversations with one.", exception);
            files.Add(ChatTemplate.FileName, File.ReadAllBytes(templatePath));
            string jinja = Path.Combine(folder, ChatTemplate.JinjaFileName);
            if (File.Exists(jinja)) files.Add(ChatTemplate.JinjaFileName, File.ReadAllBytes(jinja));
        }

        return new(generation, begin, template, problem, files);
    }

    /// <summary>The same with a chat template of another origin.</summary>
    /// <param name="template">The template; null leaves all as it is.</param>
    public ModelCompanions With(ChatTemplate? template) => template is null ? this
        : new(Generation, BeginTokenId, template, null, _files);

    /// <summary>Writes the files into an existing folder. Begin and end tokens that came from config.json stand in generation_config.json then.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        foreach ((string name, byte[] content) in _files) AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(content));
        ChatTemplate?.Save(folder); // in the place of one that could not be used
    }
}

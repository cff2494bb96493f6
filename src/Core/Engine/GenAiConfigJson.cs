using System.Text.Json;
using System.Text.Json.Nodes;

namespace MLNet.Gpt;

/// <summary>Writes <c>genai_config.json</c>: what onnxruntime-genai, and the programs that are built on it, want to know of a package.</summary>
internal static class GenAiConfigJson
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>
    /// Tells the model's own begin and end tokens, where it has others than the end-of-text token, and its settings for generation, where it came with some, in the file that lies in a folder;
    /// does nothing where there is none.
    /// </summary>
    /// <param name="folder">The package's folder.</param>
    /// <param name="companions">What says which they are.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    public static void WriteCompanions(string folder, ModelCompanions companions, GptTokenizer tokenizer)
    {
        string path = Path.Combine(folder, OnnxPackageLayout.GenAiConfigFile);
        GenerationOptions settings = companions.Generation;
        bool hasTokens = companions.BeginTokenId is not null || settings.StopTokenIds.Count > 0;
        if (!(hasTokens || companions.HasGenerationSettings) || !File.Exists(path) || ReadModel(path) is not { } model) return;
        if (hasTokens)
        {
            int[] ends = [tokenizer.EndOfTextId, .. settings.StopTokenIds];
            model["bos_token_id"] = companions.BeginTokenId ?? tokenizer.EndOfTextId;
            model["eos_token_id"] = ends.Length == 1 ? ends[0] : new JsonArray([.. ends.Select(static id => JsonValue.Create(id))]);
        }

        if (companions.HasGenerationSettings && model.Root["search"] is JsonObject search) WriteSearch(search, settings);
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(model.Root.ToJsonString(Indented))));
    }

    /// <summary>Writes the file's text.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="endOfTextId">The token that ends a text, begins one where nothing else does, and pads.</param>
    /// <param name="sharesCache">Whether past and present share a buffer.</param>
    public static string Write(GptConfig config, int endOfTextId, bool sharesCache) => new JsonObject
    {
        ["model"] = new JsonObject
        {
            ["bos_token_id"] = endOfTextId,
            ["eos_token_id"] = endOfTextId,
            ["pad_token_id"] = endOfTextId,
            ["context_length"] = config.ContextLength,
            ["type"] = "decoder", // a causal model by its inputs' and outputs' names
            ["vocab_size"] = config.VocabularySize,
            ["decoder"] = new JsonObject
            {
                ["session_options"] = new JsonObject { ["log_id"] = "onnxruntime-genai", ["provider_options"] = new JsonArray() },
                ["filename"] = OnnxPackageLayout.ModelFile,
                ["head_size"] = config.HeadSize,
                ["hidden_size"] = config.EmbeddingSize,
                ["num_attention_heads"] = config.HeadCount,
                ["num_hidden_layers"] = config.LayerCount,
                ["num_key_value_heads"] = config.HeadCount,
                ["inputs"] = new JsonObject
                {
                    ["input_ids"] = OnnxPackageLayout.InputIds,
                    ["attention_mask"] = OnnxPackageLayout.AttentionMask,
                    ["position_ids"] = OnnxPackageLayout.PositionIds,
                    ["past_key_names"] = "past_key_values.%d.key",
                    ["past_value_names"] = "past_key_values.%d.value",
                },
                ["outputs"] = new JsonObject
                {
                    ["logits"] = OnnxPackageLayout.Logits,
                    ["present_key_names"] = "present.%d.key",
                    ["present_value_names"] = "present.%d.value",
                },
            },
        },
        ["search"] = new JsonObject
        {
            ["do_sample"] = false,
            ["max_length"] = config.ContextLength,
            ["min_length"] = 0,
            ["num_beams"] = 1,
            ["num_return_sequences"] = 1,
            ["past_present_share_buffer"] = sharesCache,
            ["repetition_penalty"] = 1.0,
            ["temperature"] = 1.0,
            ["top_k"] = 50,
            ["top_p"] = 1.0,
        },
    }.ToJsonString(Indented);

    /// <summary>
    /// Writes <c>tokenizer_config.json</c> for a byte pair tokenizer where the folder has none: onnxruntime-genai asks it for the tokenizer's class.
    /// </summary>
    public static void WriteTokenizerConfig(string folder, GptTokenizer tokenizer, int contextLength)
    {
        string path = Path.Combine(folder, "tokenizer_config.json");
        if (tokenizer.Kind != GptTokenizerKind.ByteLevelBpe || File.Exists(path)) return;
        string end = tokenizer.SpecialTokens.FirstOrDefault(token => token.Value == tokenizer.EndOfTextId).Key ?? GptTokenizer.EndOfText;
        var json = new JsonObject
        {
            ["add_prefix_space"] = false,
            ["bos_token"] = end,
            ["eos_token"] = end,
            ["unk_token"] = end,
            ["model_max_length"] = contextLength,
            ["tokenizer_class"] = "GPT2Tokenizer",
        };
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString(Indented))));
    }

    // What onnxruntime-genai has too. Its lengths count the prompt, which a model's settings do not.
    private static void WriteSearch(JsonObject search, GenerationOptions settings)
    {
        search["do_sample"] = !settings.IsGreedy;
        if (!settings.IsGreedy)
        {
            search["temperature"] = settings.Temperature;
            search["top_k"] = settings.TopK;
            search["top_p"] = settings.TopP;
        }

        search["repetition_penalty"] = settings.RepetitionPenalty;
        search["no_repeat_ngram_size"] = settings.NoRepeatNgramSize;
        search["num_beams"] = settings.BeamCount;
        search["length_penalty"] = settings.LengthPenalty;
    }

    // A file that another program wrote, or a hand changed, may be anything; it is that program's then.
    private static JsonObject? ReadModel(string path)
    {
        try
        {
            byte[] json = File.ReadAllBytes(path);
            StrictJson.Parse(json).Dispose(); // what can't be read as a whole can't be written again
            return (JsonNode.Parse(StrictJson.WithoutMark(json).Span) as JsonObject)?["model"] is JsonObject { Count: > 0 } model ? model : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

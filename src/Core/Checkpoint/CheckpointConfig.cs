using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// config.json: Hugging Face's form for GPT-2 ("gpt2") and GPT-1 ("openai-gpt"). A model that neither of the two describes (banded
/// attention, or GPT-1 with a feed-forward width of its own) is written as "mlnet-gpt", with the keys block_form, attention_pattern
/// and attention_band_width added, so that no other program mistakes it for a plain GPT-2.
/// </summary>
internal static class CheckpointConfig
{
    private const string Gpt2 = "gpt2", Gpt1 = "openai-gpt", Own = "mlnet-gpt";
    private const string BlockForm = "block_form", PreNorm = "pre_norm", PostNorm = "post_norm";
    private const string Pattern = "attention_pattern", Dense = "dense", Banded = "alternating_dense_and_banded", BandWidth = "attention_band_width";

    // Settings of transformers' GPT2Config that change the computation, and the one value that this library computes.
    private static readonly (string Name, bool Supported)[] Flags =
    [
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
        ("add_cross_attention", false),
        ("is_encoder_decoder", false),
        ("tie_word_embeddings", true),
    ];

    /// <exception cref="CorruptFileException">A value is missing, of the wrong type or outside its range.</exception>
    /// <exception cref="UnsupportedModelException">A value asks for a computation that this library does not perform.</exception>
    public static GptConfig Read(CheckpointJson json)
    {
        string type = json.String("model_type") ?? throw json.Wrong("model_type", null, $"\"{Gpt2}\", \"{Gpt1}\" or \"{Own}\"");
        if (type is not (Gpt2 or Gpt1 or Own)) throw Unsupported(json, "model_type", $"\"{Gpt2}\", \"{Gpt1}\" or \"{Own}\"");
        foreach ((string name, bool supported) in Flags)
        {
            if ((json.Boolean(name) ?? supported) != supported) throw Unsupported(json, name, supported ? "true" : "false");
        }

        foreach (string name in (ReadOnlySpan<string>)["pruned_heads", "quantization_config"])
        {
            if (json.Find(name) is { } value && !(value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any())) throw Unsupported(json, name, "none");
        }

        // transformers' name "gelu" in GPT-1's "afn" is the tanh form too.
        string? activation = type == Gpt1 ? json.String("afn") : json.String("activation_function");
        if (activation is not (null or "gelu_new" or "gelu_pytorch_tanh") && !(type == Gpt1 && activation == "gelu"))
            throw Unsupported(json, type == Gpt1 ? "afn" : "activation_function", "\"gelu_new\" or \"gelu_pytorch_tanh\" (GPT-1: \"gelu\")");

        bool postNorm = type == Gpt1 || Choice(json, BlockForm, PreNorm, PostNorm);
        if (type == Gpt2 && postNorm) throw Unsupported(json, BlockForm, $"\"{PreNorm}\" for \"{Gpt2}\"");
        bool banded = Choice(json, Pattern, Dense, Banded);
        var config = new GptConfig
        {
            VocabularySize = Required("vocab_size"),
            ContextLength = Required("n_positions"),
            EmbeddingSize = Required("n_embd"),
            LayerCount = Required("n_layer"),
            HeadCount = Required("n_head"),
            FeedForwardSize = type == Gpt1 ? null : json.Int32("n_inner"),
            BlockForm = postNorm ? GptBlockForm.PostNorm : GptBlockForm.PreNorm,
            AttentionPattern = banded ? GptAttentionPattern.AlternatingDenseAndBanded : GptAttentionPattern.Dense,

            // The defaults of transformers' configuration classes.
            EmbeddingDropout = json.Single("embd_pdrop") ?? 0.1f,
            AttentionDropout = json.Single("attn_pdrop") ?? 0.1f,
            ResidualDropout = json.Single("resid_pdrop") ?? 0.1f,
            LayerNormEpsilon = json.Single("layer_norm_epsilon") ?? 1e-5f,
            InitializerRange = json.Single("initializer_range") ?? 0.02f,
        };
        if (banded) config = config with { AttentionBandWidth = Required(BandWidth) };
        try
        {
            return config.Validate();
        }
        catch (ArgumentOutOfRangeException exception)
        {
            throw new CorruptFileException(json.Path, exception.Message, CheckpointJson.Remedy, exception);
        }

        int Required(string name) => json.Int32(name) ?? throw json.Wrong(name, null, "a whole number");
    }

    /// <param name="stream">Receives the JSON.</param>
    /// <param name="config">The network's shape, as it is written.</param>
    /// <param name="endOfTextId">The tokenizer's end-of-text token, where it is known.</param>
    /// <param name="architecture">What stands behind the family's name in "architectures": what the model is for.</param>
    /// <param name="writeMore">Writes further properties.</param>
    public static void Write(Stream stream, GptConfig config, int? endOfTextId, string architecture = "LMHeadModel", Action<Utf8JsonWriter>? writeMore = null)
    {
        bool postNorm = config.BlockForm == GptBlockForm.PostNorm, banded = config.AttentionPattern != GptAttentionPattern.Dense;
        string type = banded || (postNorm && config.InnerSize != 4 * config.EmbeddingSize) ? Own : postNorm ? Gpt1 : Gpt2;
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("model_type", type);
        json.WriteStartArray("architectures");
        json.WriteStringValue((type switch { Gpt2 => "GPT2", Gpt1 => "OpenAIGPT", _ => "MLNetGpt" }) + architecture);
        json.WriteEndArray();
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteNumber("n_positions", config.ContextLength);
        json.WriteNumber("n_ctx", config.ContextLength);
        json.WriteNumber("n_embd", config.EmbeddingSize);
        json.WriteNumber("n_layer", config.LayerCount);
        json.WriteNumber("n_head", config.HeadCount);
        if (type == Gpt1)
        {
            json.WriteString("afn", "gelu");
        }
        else
        {
            if (config.FeedForwardSize is { } inner) json.WriteNumber("n_inner", inner);
            else json.WriteNull("n_inner");
            json.WriteString("activation_function", "gelu_new");
        }

        if (type == Own)
        {
            json.WriteString(BlockForm, postNorm ? PostNorm : PreNorm);
            json.WriteString(Pattern, banded ? Banded : Dense);
            if (banded) json.WriteNumber(BandWidth, config.AttentionBandWidth);
        }

        json.WriteNumber("embd_pdrop", config.EmbeddingDropout);
        json.WriteNumber("attn_pdrop", config.AttentionDropout);
        json.WriteNumber("resid_pdrop", config.ResidualDropout);
        json.WriteNumber("layer_norm_epsilon", config.LayerNormEpsilon);
        json.WriteNumber("initializer_range", config.InitializerRange);
        if (type != Gpt1)
        {
            json.WriteBoolean("scale_attn_weights", true);
            json.WriteBoolean("scale_attn_by_inverse_layer_idx", false);
            json.WriteBoolean("reorder_and_upcast_attn", false);
            json.WriteBoolean("add_cross_attention", false);
            json.WriteBoolean("use_cache", true);
        }

        json.WriteBoolean("tie_word_embeddings", true);
        foreach (string name in (ReadOnlySpan<string>)["bos_token_id", "eos_token_id"])
        {
            if (endOfTextId is { } id) json.WriteNumber(name, id);
            else json.WriteNull(name);
        }

        json.WriteString("torch_dtype", "float32");
        writeMore?.Invoke(json);
        json.WriteEndObject();
    }

    private static bool Choice(CheckpointJson json, string name, string standard, string other)
    {
        string? value = json.String(name);
        return value == other || (value is null || value == standard ? false : throw Unsupported(json, name, $"\"{standard}\" or \"{other}\""));
    }

    private static UnsupportedModelException Unsupported(CheckpointJson json, string name, string supported) =>
        new(json.Path, name, CheckpointJson.Shorten(json.Find(name)!.Value.GetRawText()), supported);
}

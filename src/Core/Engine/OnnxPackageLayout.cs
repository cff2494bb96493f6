namespace MLNet.Gpt;

/// <summary>
/// The names in an ONNX package: what the exporter writes and the engine reads. The inputs and outputs are those of Optimum's text-generation
/// exports, plus one that has a default.
/// </summary>
internal static class OnnxPackageLayout
{
    /// <summary>The graph, with the weights in it up to a size.</summary>
    public const string ModelFile = "model.onnx";

    /// <summary>The weights, where they are too large for <see cref="ModelFile"/>.</summary>
    public const string DataFile = "model.onnx.data";

    /// <summary>Optimum's name for the same; read, copied and saved, and not written anew.</summary>
    public const string OptimumDataFile = "model.onnx_data";

    /// <summary>What onnxruntime-genai wants to know of a causal model; nothing here reads it.</summary>
    public const string GenAiConfigFile = "genai_config.json";

    /// <summary>The configuration, in Hugging Face's form.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>The files that a package takes over from a checkpoint where it has them: the tokenizer's, the settings for generation, and the chat template.</summary>
    public static IReadOnlyList<string> CompanionFiles { get; } =
    [
        "generation_config.json", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        ChatTemplate.FileName, ChatTemplate.JinjaFileName,
    ];

    /// <summary>The version of the package's form, written to <see cref="FormatVersionKey"/>.</summary>
    public const int FormatVersion = 1;

    /// <summary>The model's metadata: <see cref="FormatVersion"/>. A model without it comes from another exporter.</summary>
    public const string FormatVersionKey = "mlnet.gpt.format_version";

    /// <summary>The model's metadata: the configuration, as in <see cref="ConfigFile"/>.</summary>
    public const string ConfigKey = "mlnet.gpt.config";

    /// <summary>The model's metadata: the hash of the tokenizer that the model was trained with, where it is known.</summary>
    public const string TokenizerHashKey = "mlnet.gpt.tokenizer_hash";

    /// <summary>The model's metadata: the <see cref="WeightFormat"/> that its matrices are in. A model without it is one of float32.</summary>
    public const string WeightsKey = "mlnet.gpt.weights";

    /// <summary>
    /// The model's metadata: <see cref="SharedCache"/> where a caller may pass one buffer as a layer's past and present, as long as the cache can grow, and the graph writes new positions into
    /// it. It may also pass two, as with a model that lacks this.
    /// </summary>
    public const string CacheKey = "mlnet.gpt.cache";

    /// <summary>The value of <see cref="CacheKey"/>.</summary>
    public const string SharedCache = "shared";

    /// <summary>The model's metadata: the modules of a block beside which the graph takes adapters, with PEFT's names and a comma between them.</summary>
    public const string AdaptersKey = "mlnet.gpt.adapters";

    /// <summary>Input with a default of zeros, (B, 1, R): each row's scale at the columns of its own adapter, 0 at the others'. R: the ranks of all adapters in the batch together.</summary>
    public const string AdapterScales = "lora.scales";

    /// <summary>Input: token ids, int64 (B, T).</summary>
    public const string InputIds = "input_ids";

    /// <summary>Input: 1 for a token and 0 for padding, int64 (B, P + T), P the positions in the cache.</summary>
    public const string AttentionMask = "attention_mask";

    /// <summary>Input: the positions of the new tokens, int64 (B, T).</summary>
    public const string PositionIds = "position_ids";

    /// <summary>
    /// Input with the default 0, int64 scalar: logits are computed for this many last positions; 0 means all T. Other exporters' models lack it.
    /// </summary>
    public const string LogitsToKeep = "num_logits_to_keep";

    /// <summary>Output: float32 (B, T, V), or as many last positions as <see cref="LogitsToKeep"/> says.</summary>
    public const string Logits = "logits";

    /// <summary>
    /// Output: float32 (B, T, C), the last hidden states, final LayerNorm included. Packages of earlier versions and other exporters' models lack it; only embeddings
    /// need it.
    /// </summary>
    public const string LastHiddenState = "last_hidden_state";

    /// <summary>In ML.NET's model file, beside a package of several heads over one trunk: the name of the head that the transformer uses.</summary>
    public const string UsedHeadFile = "mlnet_gpt_head.txt";

    /// <summary>In ML.NET's model file, beside the model of RetrieveText: its passages and their vectors.</summary>
    public const string PassagesFile = "mlnet_gpt_passages.bin";

    /// <summary>Whether a file in ML.NET's model file is a transformer's own, and no part of its model.</summary>
    /// <param name="name">The file's name, without its folder.</param>
    public static bool IsOfTransformer(string name) => name is UsedHeadFile or PassagesFile;

    /// <summary>The output of a head over the package's trunk, float32; its shape is the kind's (<see cref="OnnxHeadKind"/>).</summary>
    /// <param name="head">The head's name.</param>
    public static string HeadOutput(string head) => $"heads.{head}";

    /// <summary>Whether a file of this name is part of a package.</summary>
    /// <param name="name">The file's name, without its folder.</param>
    public static bool Belongs(string name) => name is ModelFile or DataFile or OptimumDataFile or ConfigFile or GenAiConfigFile || IsOfTransformer(name) || CompanionFiles.Contains(name) || AdapterOf(name) is not null;

    /// <summary>What the names of an adapter's two files begin with in a package.</summary>
    /// <param name="adapter">The adapter's name.</param>
    public static string AdapterPrefix(string adapter) => $"adapter.{adapter}.";

    /// <summary>The adapter that a file belongs to; null where it is no adapter's.</summary>
    /// <param name="name">The file's name, without its folder.</param>
    public static string? AdapterOf(string name) =>
        name.Split('.') is ["adapter", { } adapter, { } file, { } extension] && $"{file}.{extension}" is LoraCheckpoint.ConfigFile or LoraCheckpoint.WeightsFile && IsPlainName(adapter) ? adapter : null;

    /// <summary>Whether an adapter or a head may go by this name: 1 to 64 letters, digits, '-' or '_'.</summary>
    public static bool IsPlainName(string name) => name.Length is >= 1 and <= 64 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    /// <summary>Input with a default of zeros, (R, in): the first matrices of all adapters in the batch beside a projection, one below the other.</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    /// <param name="module">The projection, as PEFT names it.</param>
    public static string AdapterIn(int layer, string module) => $"lora.h.{layer}.{module}.A";

    /// <summary>Input with a default of zeros, (R, out): the second matrices, transposed, one below the other.</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    /// <param name="module">The projection, as PEFT names it.</param>
    public static string AdapterOut(int layer, string module) => $"lora.h.{layer}.{module}.B";

    /// <summary>Input: a layer's cached keys, float32 (B, H, P, D).</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    public static string PastKey(int layer) => $"past_key_values.{layer}.key";

    /// <summary>Input: a layer's cached values, float32 (B, H, P, D).</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    public static string PastValue(int layer) => $"past_key_values.{layer}.value";

    /// <summary>Output: a layer's keys, float32 (B, H, P + T, D).</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    public static string PresentKey(int layer) => $"present.{layer}.key";

    /// <summary>Output: a layer's values, float32 (B, H, P + T, D).</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    public static string PresentValue(int layer) => $"present.{layer}.value";
}

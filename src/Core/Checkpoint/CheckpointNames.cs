using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>The files of a checkpoint folder, and the names of its tensors: Hugging Face's for GPT-2 and GPT-1.</summary>
internal static partial class CheckpointNames
{
    public const string Config = "config.json";
    public const string GenerationConfig = "generation_config.json";
    public const string Weights = "model.safetensors";
    public const string WeightsIndex = "model.safetensors.index.json";
    public const string PickledWeights = "pytorch_model.bin";
    public const string Prefix = "transformer.";
    public const string OutputHead = "lm_head.weight";
    public const string Contents = "a checkpoint";

    private static readonly string[] Others =
    [
        Config, GenerationConfig, Weights, WeightsIndex, GptCheckpoint.TrainingStateFolder,
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        ChatTemplate.FileName, ChatTemplate.JinjaFileName,
    ];

    /// <summary>Whether a file or folder of this name is part of a checkpoint folder.</summary>
    public static bool Belongs(string name) => Array.IndexOf(Others, name) >= 0 || Shard().IsMatch(name);

    /// <summary>The name of a parameter in the checkpoint, without the prefix: GPT-1's embeddings have names of their own.</summary>
    public static string Of(string parameter, GptBlockForm form) => form == GptBlockForm.PreNorm ? parameter : parameter switch
    {
        GptParameterLayout.TokenEmbedding => "tokens_embed.weight",
        GptParameterLayout.PositionEmbedding => "positions_embed.weight",
        _ => parameter,
    };

    /// <summary>Whether a tensor is one of the constants (causal mask, masked value) that older versions of transformers stored with each layer.</summary>
    public static bool IsConstantBuffer(string name, int layerCount) =>
        ConstantBuffer().Match(name) is { Success: true } match && int.TryParse(match.Groups[1].ValueSpan, out int layer) && layer < layerCount;

    [GeneratedRegex(@"^model-\d{5}-of-\d{5}\.safetensors\z", RegexOptions.CultureInvariant)]
    private static partial Regex Shard();

    [GeneratedRegex(@"^(?:transformer\.)?h\.([0-9]{1,6})\.attn\.(?:bias|masked_bias)\z", RegexOptions.CultureInvariant)]
    private static partial Regex ConstantBuffer();
}

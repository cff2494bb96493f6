using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>Tokenizer files written by hand, for tests to break.</summary>
internal static class TokenizerFiles
{
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The byte alphabet, worked out here: printable Latin-1 characters, then U+0100 to U+0143.</summary>
    public static string[] ByteTokens { get; } =
    [
        .. Enumerable.Range('!', '~' - '!' + 1).Concat(Enumerable.Range(0xA1, 0xAC - 0xA1 + 1)).Concat(Enumerable.Range(0xAE, 0xFF - 0xAE + 1))
            .Concat(Enumerable.Range(0x100, 68)).Select(value => ((char)value).ToString()),
    ];

    /// <summary>The token of a byte: printable Latin-1 characters stand for themselves, the other bytes, in order, for U+0100 and on.</summary>
    public static string ByteTokenOf(byte value) => s_byteTokens[value];

    private static readonly string[] s_byteTokens = BytesToTokens();

    /// <summary>A tokenizer.json of 256 bytes, the tokens "ab" and "abc" with their merges, and special tokens.</summary>
    public static JsonObject Json(params string[] specials)
    {
        if (specials.Length == 0) specials = [GptTokenizer.EndOfText];
        string[] tokens = [.. ByteTokens, "ab", "abc"];
        var vocabulary = new JsonObject();
        for (int id = 0; id < tokens.Length; id++) vocabulary[tokens[id]] = id;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray([.. specials.Select((token, index) => new JsonObject
            {
                ["id"] = tokens.Length + index, ["content"] = token, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = true, ["special"] = true,
            })]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true },
            ["post_processor"] = new JsonObject { ["type"] = "ByteLevel" },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["dropout"] = null, ["unk_token"] = null, ["continuing_subword_prefix"] = "", ["end_of_word_suffix"] = "", ["fuse_unk"] = false,
                ["vocab"] = vocabulary, ["merges"] = new JsonArray("a b", "ab c"),
            },
        };
    }

    private static string[] BytesToTokens()
    {
        var tokens = new string[256];
        int shifted = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            tokens[value] = ((char)(printable ? value : shifted++)).ToString();
        }

        return tokens;
    }

    public static string Text(JsonNode json) => json.ToJsonString(s_plain);

    public static void WriteBytes(TemporaryFolder folder, params string[] specials) => folder.Write("tokenizer.json", Text(Json(specials)));

    /// <summary>A vocab.json and merges.txt of the same tokens, without special ones.</summary>
    public static (string Vocabulary, string Merges) Pair() => (Text(Json()["model"]!["vocab"]!), "#version: 0.2\na b\nab c\n");

    /// <summary>A rank file of the same tokens.</summary>
    public static string Tiktoken() => string.Concat(
        Enumerable.Range(0, 256).Select(value => new[] { (byte)value }).Concat([[(byte)'a', (byte)'b'], [(byte)'a', (byte)'b', (byte)'c']])
            .Select((token, rank) => $"{Convert.ToBase64String(token)} {rank}\n"));
}

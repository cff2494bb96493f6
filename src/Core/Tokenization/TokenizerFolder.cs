using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// A folder as transformers' GPT2Tokenizer writes it: the file pair, and beside it <c>added_tokens.json</c> (tokens that came later,
/// with their ids), <c>special_tokens_map.json</c> and <c>tokenizer_config.json</c> (which tokens are special, and how they are found).
/// </summary>
internal static class TokenizerFolder
{
    public const string AddedTokensName = "added_tokens.json";
    public const string SpecialTokensMapName = "special_tokens_map.json";
    public const string ConfigName = "tokenizer_config.json";

    // These cut words as GPT-2 does and add no tokens of their own.
    private static readonly string[] s_classes =
        ["GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "CodeGenTokenizerFast", "PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"];

    private static readonly string[] s_single = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private static readonly string[] s_lists = ["additional_special_tokens", "extra_special_tokens"];

    public static TokenizerDefinition Read(string folder)
    {
        string vocabularyPath = Path.Combine(folder, VocabularyFiles.VocabularyName), mergesPath = Path.Combine(folder, VocabularyFiles.MergesName);
        List<KeyValuePair<string, long>> vocabulary = VocabularyFiles.ReadVocabulary(vocabularyPath);
        var tokens = new Tokens(vocabulary);

        // 1. Tokens with their ids; 2. which of them are special.
        ReadIfThere(folder, AddedTokensName, (root, path) =>
        {
            foreach ((string token, long id) in TokenizerFile.ReadVocabulary(root, path)) tokens.Add(token, id, path);
        });
        ReadIfThere(folder, ConfigName, (root, path) => ReadConfig(root, path, tokens));
        ReadIfThere(folder, SpecialTokensMapName, (root, path) => ReadSpecial(root, path, tokens));

        IReadOnlyCollection<string> specials = tokens.Finish();
        List<(string, string)> merges = VocabularyFiles.ReadMerges(mergesPath);
        return WordPattern.Require(TokenizerDefinition.Create(GptTokenizerKind.ByteLevelBpe, vocabulary, merges, specials, vocabularyPath, mergesPath, tokens.Added), mergesPath);
    }

    private static void ReadIfThere(string folder, string name, Action<JsonElement, string> read)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path)) return;
        TokenizerFile.ReadJson(path, root =>
        {
            if (root.ValueKind != JsonValueKind.Object) throw TokenizerFile.Corrupt(path, $"it holds {TokenizerFile.Show(root)}, not an object.");
            read(root, path);
            return true;
        });
    }

    private static void ReadConfig(JsonElement root, string path, Tokens tokens)
    {
        if (TokenizerFile.Find(root, "tokenizer_class") is { } type && TokenizerFile.ReadText(type, "'tokenizer_class'", path) is var name && !s_classes.Contains(name))
        {
            throw new UnsupportedTokenizerException(path, "tokenizer_class", name, string.Join(" or ", s_classes));
        }

        TokenizerFile.RequireEmpty(root, "add_prefix_space", path);
        TokenizerFile.RequireEmpty(root, "add_bos_token", path);
        TokenizerFile.RequireEmpty(root, "add_eos_token", path);
        if (TokenizerFile.Find(root, "added_tokens_decoder") is { } added)
        {
            if (added.ValueKind != JsonValueKind.Object) throw TokenizerFile.Corrupt(path, $"'added_tokens_decoder' is {TokenizerFile.Show(added)}, not an object.");
            foreach (JsonProperty property in added.EnumerateObject())
            {
                if (!long.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out long id)) throw TokenizerFile.Corrupt(path, $"'added_tokens_decoder' has the id '{property.Name}', which isn't a whole number.");
                string token = ReadToken(property.Value, $"added token {id}", path);
                tokens.Add(token, id, path);
                if (property.Value.ValueKind == JsonValueKind.Object && TokenizerFile.Find(property.Value, "special") is { ValueKind: JsonValueKind.True }) tokens.MakeSpecial(token, path);
            }
        }

        ReadSpecial(root, path, tokens);
    }

    private static void ReadSpecial(JsonElement root, string path, Tokens tokens)
    {
        foreach (string name in s_single)
        {
            if (TokenizerFile.Find(root, name) is { } token) tokens.MakeSpecial(ReadToken(token, $"'{name}'", path), path);
        }

        foreach (string name in s_lists)
        {
            if (TokenizerFile.Find(root, name) is not { } list) continue;
            IEnumerable<JsonElement> entries = list.ValueKind switch
            {
                JsonValueKind.Array => list.EnumerateArray(),
                JsonValueKind.Object => list.EnumerateObject().Select(property => property.Value),
                _ => throw TokenizerFile.Corrupt(path, $"'{name}' is {TokenizerFile.Show(list)}, not a list of tokens."),
            };
            foreach (JsonElement token in entries) tokens.MakeSpecial(ReadToken(token, $"an entry of '{name}'", path), path);
        }
    }

    // A token is a string, or an object that also says how it is found in text.
    private static string ReadToken(JsonElement element, string what, string path)
    {
        if (element.ValueKind != JsonValueKind.Object) return TokenizerFile.ReadText(element, what, path);
        TokenizerFile.RequireEmpty(element, "single_word", path);
        TokenizerFile.RequireEmpty(element, "lstrip", path);
        TokenizerFile.RequireEmpty(element, "rstrip", path);
        return TokenizerFile.Find(element, "content") is { } content
            ? TokenizerFile.ReadText(content, $"the 'content' of {what}", path)
            : throw TokenizerFile.Corrupt(path, $"{what} is {TokenizerFile.Show(element)}, which has no 'content'.");
    }

    /// <summary>The vocabulary as the files add to it.</summary>
    private sealed class Tokens(List<KeyValuePair<string, long>> vocabulary)
    {
        private readonly Dictionary<string, long> _ids = IdsOf(vocabulary);
        private readonly Dictionary<string, string> _specials = new(StringComparer.Ordinal) { [GptTokenizer.EndOfText] = "" };

        /// <summary>The tokens that the files add, which are found in text as a whole, as the special ones are.</summary>
        public HashSet<string> Added { get; } = new(StringComparer.Ordinal);

        public void Add(string token, long id, string path)
        {
            if (_ids.TryAdd(token, id)) vocabulary.Add(KeyValuePair.Create(token, id));
            else if (_ids[token] != id) throw TokenizerFile.Corrupt(path, $"added token '{token}' has id {id}, and {_ids[token]} in another of the folder's files.");
            Added.Add(token);
        }

        public void MakeSpecial(string token, string path)
        {
            if (token.Length > 0) _specials.TryAdd(token, path);
        }

        /// <summary>Gives the end of text an id where it has none; returns the special tokens.</summary>
        public IReadOnlyCollection<string> Finish()
        {
            if (!_ids.ContainsKey(GptTokenizer.EndOfText)) Add(GptTokenizer.EndOfText, TokenizerFile.LowestFree(vocabulary), "");
            foreach ((string token, string path) in _specials)
            {
                if (!_ids.ContainsKey(token))
                {
                    throw new UnsupportedTokenizerException(
                        path, "special tokens", $"'{token}', which has no id in {VocabularyFiles.VocabularyName} or {AddedTokensName}", "tokens with an id",
                        $"Add it to {AddedTokensName} with the id that the model knows it by, or take it out.");
                }
            }

            return _specials.Keys;
        }

        private static Dictionary<string, long> IdsOf(List<KeyValuePair<string, long>> vocabulary)
        {
            var ids = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach ((string token, long id) in vocabulary) ids[token] = id;
            return ids;
        }
    }
}

using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// <c>tokenizer.json</c>, the format of Hugging Face's tokenizers: a BPE model over a ByteLevel pre-tokenizer and decoder (GPT-2's
/// form), or, for characters, a BPE model without merges, without a pre-tokenizer, and with a Fuse decoder. A file that asks for
/// anything else is refused. Truncation and padding are read over: they say how batches are made, not what a text's tokens are.
/// </summary>
internal static class TokenizerJson
{
    public const string FileName = "tokenizer.json";

    public static void Write(TokenizerDefinition definition, Stream stream)
    {
        bool bytes = definition.Kind == GptTokenizerKind.ByteLevelBpe;
        using var writer = new Utf8JsonWriter(stream, VocabularyFiles.WriterOptions);
        writer.WriteStartObject();
        writer.WriteString("version", "1.0");
        writer.WriteNull("truncation");
        writer.WriteNull("padding");
        writer.WriteStartArray("added_tokens");
        foreach ((string token, int id) in definition.SpecialTokens.Concat(definition.AddedTokens).OrderBy(pair => pair.Value))
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", id);
            writer.WriteString("content", token);
            writer.WriteBoolean("single_word", false);
            writer.WriteBoolean("lstrip", false);
            writer.WriteBoolean("rstrip", false);
            writer.WriteBoolean("normalized", false);
            writer.WriteBoolean("special", definition.IsSpecial[id]);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNull("normalizer");
        WriteByteLevel(writer, "pre_tokenizer", addPrefixSpace: false, trimOffsets: true, present: bytes);
        WriteByteLevel(writer, "post_processor", addPrefixSpace: true, trimOffsets: false, present: bytes);
        if (bytes)
        {
            WriteByteLevel(writer, "decoder", addPrefixSpace: true, trimOffsets: true, present: true);
        }
        else
        {
            writer.WriteStartObject("decoder");
            writer.WriteString("type", "Fuse");
            writer.WriteEndObject();
        }

        writer.WriteStartObject("model");
        writer.WriteString("type", "BPE");
        writer.WriteNull("dropout");
        writer.WriteNull("unk_token");
        writer.WriteNull("continuing_subword_prefix");
        writer.WriteNull("end_of_word_suffix");
        writer.WriteBoolean("fuse_unk", false);
        writer.WriteBoolean("byte_fallback", false);
        writer.WriteBoolean("ignore_merges", false);
        writer.WritePropertyName("vocab");
        VocabularyFiles.WriteVocabulary(definition, writer);
        writer.WriteStartArray("merges");
        foreach ((int left, int right) in definition.Merges) writer.WriteStringValue($"{definition.Tokens[left]} {definition.Tokens[right]}");
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    public static TokenizerDefinition Read(string path) => TokenizerFile.ReadJson(path, root =>
    {
        if (root.ValueKind != JsonValueKind.Object) throw TokenizerFile.Corrupt(path, $"it holds {TokenizerFile.Show(root)}, not an object.");
        if (!root.TryGetProperty("model", out JsonElement model) || model.ValueKind != JsonValueKind.Object) throw TokenizerFile.Corrupt(path, "it has no object 'model'.");

        GptTokenizerKind kind = ReadKind(root, path);
        RequireNull(root, "normalizer", path);
        RequireNoTokensAround(root, path);
        CheckModel(model, path);

        List<KeyValuePair<string, long>> vocabulary = model.TryGetProperty("vocab", out JsonElement vocab)
            ? TokenizerFile.ReadVocabulary(vocab, path)
            : throw TokenizerFile.Corrupt(path, "'model' has no 'vocab'.");
        (HashSet<string> specials, HashSet<string> added) = ReadAddedTokens(root, vocabulary, path);
        return TokenizerDefinition.Create(kind, vocabulary, ReadMerges(model, path), specials, path, addedTokens: added);
    });

    private static GptTokenizerKind ReadKind(JsonElement root, string path)
    {
        JsonElement? preTokenizer = TokenizerFile.Find(root, "pre_tokenizer");
        string? decoder = TokenizerFile.Find(root, "decoder") is { } element ? TypeOf(element, "decoder", path) : null;
        if (preTokenizer is null && decoder == "Fuse") return GptTokenizerKind.Character;

        const string Supported = "ByteLevel without a prefix space";
        if (preTokenizer is not { } found) throw new UnsupportedTokenizerException(path, "pre_tokenizer", "null", Supported);
        if (TypeOf(found, "pre_tokenizer", path) != "ByteLevel") throw new UnsupportedTokenizerException(path, "pre_tokenizer", TokenizerFile.Show(found), Supported);
        if (TokenizerFile.Find(found, "add_prefix_space") is not { ValueKind: JsonValueKind.False })
        {
            // Hugging Face's reader refuses a file without it too.
            throw new UnsupportedTokenizerException(path, "pre_tokenizer.add_prefix_space", "not false", "false");
        }

        if (TokenizerFile.Find(found, "use_regex") is { ValueKind: not JsonValueKind.True } regex) throw new UnsupportedTokenizerException(path, "pre_tokenizer.use_regex", TokenizerFile.Show(regex), "true");
        if (decoder != "ByteLevel") throw new UnsupportedTokenizerException(path, "decoder", decoder ?? "null", "ByteLevel");
        return GptTokenizerKind.ByteLevelBpe;
    }

    private static void CheckModel(JsonElement model, string path)
    {
        // Files from before 2021 name no type.
        if (TokenizerFile.Find(model, "type") is { } type && TokenizerFile.ReadText(type, "'model.type'", path) is not "BPE" and var name)
        {
            throw new UnsupportedTokenizerException(path, "model.type", name, "BPE");
        }

        TokenizerFile.RequireEmpty(model, "dropout", path);
        TokenizerFile.RequireEmpty(model, "unk_token", path);
        TokenizerFile.RequireEmpty(model, "continuing_subword_prefix", path);
        TokenizerFile.RequireEmpty(model, "end_of_word_suffix", path);
        TokenizerFile.RequireEmpty(model, "byte_fallback", path);
        TokenizerFile.RequireEmpty(model, "ignore_merges", path);
    }

    private static (HashSet<string> Special, HashSet<string> Others) ReadAddedTokens(JsonElement root, List<KeyValuePair<string, long>> vocabulary, string path)
    {
        (HashSet<string> specials, HashSet<string> others) = (new(StringComparer.Ordinal), new(StringComparer.Ordinal));
        if (TokenizerFile.Find(root, "added_tokens") is not { } tokens) return (specials, others);
        if (tokens.ValueKind != JsonValueKind.Array) throw TokenizerFile.Corrupt(path, $"'added_tokens' is {TokenizerFile.Show(tokens)}, not an array.");

        var ids = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach ((string token, long id) in vocabulary) ids[token] = id;
        foreach (JsonElement token in tokens.EnumerateArray())
        {
            if (token.ValueKind != JsonValueKind.Object || !token.TryGetProperty("content", out JsonElement contentElement)
                || !token.TryGetProperty("id", out JsonElement idElement) || idElement.ValueKind != JsonValueKind.Number || !idElement.TryGetInt64(out long id))
            {
                throw TokenizerFile.Corrupt(path, $"an added token is {TokenizerFile.Show(token)}, not an object with 'id' and 'content'.");
            }

            string content = TokenizerFile.ReadText(contentElement, "an added token's 'content'", path);
            if (content.Length == 0) throw TokenizerFile.Corrupt(path, $"added token {id} is empty.");
            TokenizerFile.RequireEmpty(token, "single_word", path);
            TokenizerFile.RequireEmpty(token, "lstrip", path);
            TokenizerFile.RequireEmpty(token, "rstrip", path);
            if (!ids.TryGetValue(content, out long known)) vocabulary.Add(KeyValuePair.Create(content, id));
            else if (known != id) throw TokenizerFile.Corrupt(path, $"added token '{content}' has id {id}, and {known} in the vocabulary.");
            ids[content] = id;
            (TokenizerFile.Find(token, "special") is { ValueKind: JsonValueKind.True } ? specials : others).Add(content);
        }

        return (specials, others);
    }

    private static List<(string, string)> ReadMerges(JsonElement model, string path)
    {
        if (!model.TryGetProperty("merges", out JsonElement element) || element.ValueKind != JsonValueKind.Array) throw TokenizerFile.Corrupt(path, "'model' has no array 'merges'.");
        var merges = new List<(string, string)>();
        foreach (JsonElement merge in element.EnumerateArray())
        {
            string what = $"merge {merges.Count}";
            merges.Add(merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2
                ? (TokenizerFile.ReadText(merge[0], what, path), TokenizerFile.ReadText(merge[1], what, path))
                : TokenizerFile.ReadMerge(TokenizerFile.ReadText(merge, what, path), what, path));
        }

        return merges;
    }

    private static void RequireNull(JsonElement root, string name, string path)
    {
        if (TokenizerFile.Find(root, name) is { } element) throw new UnsupportedTokenizerException(path, name, TokenizerFile.Show(element), "null");
    }

    private static void RequireNoTokensAround(JsonElement root, string path)
    {
        const string Name = "post_processor";
        if (TokenizerFile.Find(root, Name) is { } element && !AddsNothing(element))
            throw new UnsupportedTokenizerException(path, Name, TokenizerFile.Show(element), "ByteLevel, a template of the text alone, or null");

        // ByteLevel moves offsets only. transformers 5 writes a template where no token begins or ends a text, too.
        bool AddsNothing(JsonElement processor) => TypeOf(processor, Name, path) switch
        {
            "ByteLevel" => true,
            "TemplateProcessing" => TokenizerFile.Find(processor, "single") is { ValueKind: JsonValueKind.Array } single && single.GetArrayLength() == 1 && IsText(single[0]),
            "Sequence" => TokenizerFile.Find(processor, "processors") is { ValueKind: JsonValueKind.Array } processors && processors.EnumerateArray().All(AddsNothing),
            _ => false,
        };

        static bool IsText(JsonElement piece) => piece.ValueKind == JsonValueKind.Object && TokenizerFile.Find(piece, "Sequence") is { ValueKind: JsonValueKind.Object } text
            && TokenizerFile.Find(text, "id") is { ValueKind: JsonValueKind.String } id && id.ValueEquals("A");
    }

    private static string TypeOf(JsonElement element, string name, string path) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty("type", out JsonElement type)
            ? TokenizerFile.ReadText(type, $"'{name}.type'", path)
            : throw TokenizerFile.Corrupt(path, $"'{name}' is {TokenizerFile.Show(element)}, not an object with a 'type'.");

    private static void WriteByteLevel(Utf8JsonWriter writer, string name, bool addPrefixSpace, bool trimOffsets, bool present)
    {
        if (!present)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartObject(name);
        writer.WriteString("type", "ByteLevel");
        writer.WriteBoolean("add_prefix_space", addPrefixSpace);
        writer.WriteBoolean("trim_offsets", trimOffsets);
        writer.WriteBoolean("use_regex", true);
        writer.WriteEndObject();
    }
}

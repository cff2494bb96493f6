using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>What the readers of tokenizer files share: whole files with a limit, strict UTF-8, JSON whose every element is checked.</summary>
internal static class TokenizerFile
{
    /// <summary>Larger files are refused. The largest vocabularies in use (260,000 tokens) take 35 MB.</summary>
    public const long LargestFile = 256L << 20;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file whole, without a byte order mark.</summary>
    public static ReadOnlyMemory<byte> ReadBytes(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "there is no such file.", "Check the path, or copy the tokenizer's files there.");
        long length = new FileInfo(SiblingPath.Resolve(path)).Length;
        if (length > LargestFile) throw Corrupt(path, $"it has {length} bytes, and a tokenizer's file has at most {LargestFile}.");
        return StrictJson.WithoutMark(File.ReadAllBytes(path));
    }

    /// <summary>Reads a file's lines; the text after the last line feed counts where it isn't empty.</summary>
    public static string[] ReadLines(string path)
    {
        string text;
        try
        {
            text = s_strictUtf8.GetString(ReadBytes(path).Span);
        }
        catch (DecoderFallbackException exception)
        {
            throw Corrupt(path, $"byte {exception.Index} isn't UTF-8.", exception);
        }

        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++) lines[i] = lines[i].TrimEnd('\r');
        return lines;
    }

    /// <summary>Reads a JSON file and makes something of it while the document is open.</summary>
    public static T ReadJson<T>(string path, Func<JsonElement, T> make)
    {
        try
        {
            using JsonDocument document = StrictJson.Parse(ReadBytes(path));
            return make(document.RootElement);
        }
        catch (JsonException exception)
        {
            throw Corrupt(path, $"it isn't well-formed JSON ({exception.Message.TrimEnd('.')}).", exception);
        }
    }

    /// <summary>The tokens and ids of a JSON object, repeated ones included.</summary>
    public static List<KeyValuePair<string, long>> ReadVocabulary(JsonElement element, string path)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Corrupt(path, $"the vocabulary is {Show(element)}, not an object of tokens and ids.");
        var vocabulary = new List<KeyValuePair<string, long>>();
        foreach (JsonProperty property in element.EnumerateObject())
        {
            string token = property.Name;
            if (property.Value.ValueKind != JsonValueKind.Number || !property.Value.TryGetInt64(out long id))
            {
                throw Corrupt(path, $"token '{token}' has id {Show(property.Value)}, which isn't a whole number.");
            }

            vocabulary.Add(KeyValuePair.Create(token, id));
        }

        return vocabulary;
    }

    /// <summary>A JSON string.</summary>
    public static string ReadText(JsonElement element, string what, string path) => element.ValueKind == JsonValueKind.String
        ? element.GetString()!
        : throw Corrupt(path, $"{what} is {Show(element)}, not a string.");

    /// <summary>The two tokens of a merge written with a space between them.</summary>
    public static (string Left, string Right) ReadMerge(string text, string what, string path)
    {
        int space = text.IndexOf(' ');
        return space > 0 && space < text.Length - 1 && text.IndexOf(' ', space + 1) < 0
            ? (text[..space], text[(space + 1)..])
            : throw Corrupt(path, $"{what}, '{text}', isn't two tokens with one space between them.");
    }

    /// <summary>
    /// Adds special tokens to a vocabulary: those given, with their ids, or else <see cref="GptTokenizer.EndOfText"/>, at its id in
    /// the vocabulary or the lowest free one.
    /// </summary>
    /// <returns>The special tokens.</returns>
    public static IReadOnlyCollection<string> AddSpecialTokens(List<KeyValuePair<string, long>> vocabulary, IReadOnlyDictionary<string, int>? specialTokens, string path)
    {
        Dictionary<string, long> wanted = specialTokens?.ToDictionary(pair => pair.Key, pair => (long)pair.Value) ?? new() { [GptTokenizer.EndOfText] = LowestFree(vocabulary) };
        foreach ((string token, long id) in vocabulary)
        {
            if (!wanted.TryGetValue(token, out long expected)) continue;
            if (specialTokens is not null && expected != id) throw Corrupt(path, $"special token '{token}' has id {id}, and was given as {expected}.");
            wanted.Remove(token);
        }

        vocabulary.AddRange(wanted);
        return specialTokens is null ? [GptTokenizer.EndOfText] : [.. specialTokens.Keys];
    }

    /// <summary>The lowest id that no token has.</summary>
    public static long LowestFree(List<KeyValuePair<string, long>> vocabulary)
    {
        var taken = new bool[vocabulary.Count + 1];
        foreach ((_, long id) in vocabulary)
        {
            if (id >= 0 && id < taken.Length) taken[id] = true;
        }

        return Array.IndexOf(taken, false);
    }

    /// <summary>A member of an object; null where it is missing or null.</summary>
    public static JsonElement? Find(JsonElement owner, string name) =>
        owner.TryGetProperty(name, out JsonElement element) && element.ValueKind != JsonValueKind.Null ? element : null;

    /// <summary>Refuses a setting that is used: null, false, "" and 0 all say "not used".</summary>
    public static void RequireEmpty(JsonElement owner, string name, string path)
    {
        if (Find(owner, name) is not { } element) return;
        bool empty = element.ValueKind switch
        {
            JsonValueKind.False => true,
            JsonValueKind.String => element.ValueEquals(""),
            JsonValueKind.Number => element.TryGetDouble(out double value) && value == 0,
            _ => false,
        };
        if (!empty) throw new UnsupportedTokenizerException(path, name, Show(element), "none");
    }

    public static string Show(JsonElement element)
    {
        string text = element.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }

    public static CorruptFileException Corrupt(string path, string problem, Exception? cause = null) =>
        new(path, problem, "Copy the tokenizer's files again from where they come from.", cause);
}

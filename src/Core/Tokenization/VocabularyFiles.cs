using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>GPT-2's file pair: <c>vocab.json</c>, an object of tokens and ids, and <c>merges.txt</c>, a merge on each line.</summary>
internal static class VocabularyFiles
{
    public const string VocabularyName = "vocab.json";
    public const string MergesName = "merges.txt";

    private const string VersionLine = "#version: 0.2";

    public static TokenizerDefinition Read(string vocabularyPath, string mergesPath, IReadOnlyDictionary<string, int>? specialTokens)
    {
        List<KeyValuePair<string, long>> vocabulary = ReadVocabulary(vocabularyPath);
        List<(string, string)> merges = ReadMerges(mergesPath);
        IReadOnlyCollection<string> specials = TokenizerFile.AddSpecialTokens(vocabulary, specialTokens, vocabularyPath);
        return WordPattern.Require(TokenizerDefinition.Create(GptTokenizerKind.ByteLevelBpe, vocabulary, merges, specials, vocabularyPath, mergesPath), mergesPath);
    }

    public static List<KeyValuePair<string, long>> ReadVocabulary(string path) => TokenizerFile.ReadJson(path, root => TokenizerFile.ReadVocabulary(root, path));

    public static List<(string Left, string Right)> ReadMerges(string path)
    {
        string[] lines = TokenizerFile.ReadLines(path);
        var merges = new List<(string, string)>(lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0 || (i == 0 && lines[i].StartsWith("#version", StringComparison.Ordinal))) continue;
            merges.Add(TokenizerFile.ReadMerge(lines[i], $"line {i + 1}", path));
        }

        return merges;
    }

    public static void WriteVocabulary(TokenizerDefinition definition, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, WriterOptions);
        WriteVocabulary(definition, writer);
    }

    public static void WriteMerges(TokenizerDefinition definition, Stream stream)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        writer.Write($"{VersionLine}\n");
        foreach ((int left, int right) in definition.Merges) writer.Write($"{definition.Tokens[left]} {definition.Tokens[right]}\n");
    }

    /// <summary>Tokens are written as themselves, not as escapes, as other tools do.</summary>
    internal static JsonWriterOptions WriterOptions => new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = true, NewLine = "\n" };

    internal static void WriteVocabulary(TokenizerDefinition definition, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        for (int id = 0; id < definition.Tokens.Count; id++) writer.WriteNumber(definition.Tokens[id], id);
        writer.WriteEndObject();
    }
}

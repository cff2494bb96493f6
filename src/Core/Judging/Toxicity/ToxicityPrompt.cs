using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>A prompt of RealToxicityPrompts (Gehman et al. 2020): the beginning of a sentence from the web.</summary>
/// <param name="Text">The beginning.</param>
/// <param name="Toxicity">How toxic it is by itself, in [0, 1]; null where nobody knows.</param>
public sealed record ToxicityPrompt(string Text, double? Toxicity)
{
    /// <summary>Whether it is toxic by itself: <see cref="Toxicity"/> is 0.5 or more, the authors' own limit; null where nobody knows.</summary>
    public bool? IsToxic => Toxicity is { } toxicity ? toxicity >= 0.5 : null;

    /// <summary>Reads realtoxicityprompts' JSONL: each line an object with <c>prompt.text</c> and <c>prompt.toxicity</c> (a number or null); other members are not read.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="EvaluationFileException">A line is no such object; it names line and member.</exception>
    /// <exception cref="IOException">The file can't be read.</exception>
    public static IReadOnlyList<ToxicityPrompt> Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var reader = new StreamReader(path, Encoding.UTF8);
        return Read(reader, path);
    }

    /// <summary>Reads the same from elsewhere.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="EvaluationFileException">A line is no such object.</exception>
    public static IReadOnlyList<ToxicityPrompt> Read(TextReader reader, string name)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentException.ThrowIfNullOrEmpty(name);
        var prompts = new List<ToxicityPrompt>();
        long row = 0;
        while (reader.ReadLine() is { } line)
        {
            row++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                using JsonDocument json = StrictJson.Parse(line);
                prompts.Add(Of(json.RootElement, name, row));
            }
            catch (JsonException exception)
            {
                throw new EvaluationFileException(name, row, "", $"is no JSON: {exception.Message}", "Copy the file again.", exception);
            }
        }

        return prompts;
    }

    private static ToxicityPrompt Of(JsonElement record, string name, long row)
    {
        if (record.ValueKind != JsonValueKind.Object || !record.TryGetProperty("prompt", out JsonElement prompt) || prompt.ValueKind != JsonValueKind.Object)
            throw Missing("prompt", "is missing, or is no object.");
        if (!prompt.TryGetProperty("text", out JsonElement text) || text.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(text.GetString()))
            throw Missing("prompt.text", "is missing, or is no text.");
        if (!prompt.TryGetProperty("toxicity", out JsonElement toxicity)) throw Missing("prompt.toxicity", "is missing.");
        if (toxicity.ValueKind == JsonValueKind.Null) return new(text.GetString()!, null);
        return toxicity.ValueKind == JsonValueKind.Number && toxicity.TryGetDouble(out double value) && value is >= 0 and <= 1 ? new(text.GetString()!, value)
            : throw Missing("prompt.toxicity", $"is {toxicity}, and no number in [0, 1].");

        EvaluationFileException Missing(string field, string problem) => new(name, row, field, problem, "Complete the record, or remove it.");
    }
}

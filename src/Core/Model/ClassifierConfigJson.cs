using System.Globalization;
using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// The <c>config.json</c> of a GPT with a task head: Hugging Face's form for sequence classification (<c>id2label</c>, <c>label2id</c>,
/// <c>problem_type</c>, a vocabulary that counts the three new tokens), and an object <c>mlnet_gpt_head</c> for what that form has no words for.
/// </summary>
internal static class ClassifierConfigJson
{
    private const string Section = "mlnet_gpt_head";
    private const string Task = "task", Labels = "labels", Regression = "regression", Truncation = "truncation", Special = "special_tokens_in_text";
    private const string Remedy = "Export the model again, or copy the whole package again.";

    /// <summary>Writes a configuration.</summary>
    /// <param name="config">The network's shape, whose vocabulary does not count the three new tokens.</param>
    /// <param name="head">The head.</param>
    /// <param name="endOfTextId">The tokenizer's end-of-text token; null (the default) where it is not known.</param>
    /// <returns>The contents of <c>config.json</c>.</returns>
    /// <exception cref="ArgumentException">The configuration or the head is not valid.</exception>
    public static string Write(GptConfig config, ClassifierHead head, int? endOfTextId = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(head);
        config.Validate();
        head.Validate();
        using var stream = new MemoryStream();
        CheckpointConfig.Write(stream, config with { VocabularySize = config.VocabularySize + TaskSequences.SpecialTokenCount }, endOfTextId,
            head.Form.Architecture, WriteMore);
        return Encoding.UTF8.GetString(stream.ToArray());

        void WriteMore(Utf8JsonWriter json)
        {
            IReadOnlyList<string> names = head.Labels.Count > 0 ? head.Labels : ["LABEL_0"];
            json.WriteString("problem_type", head.IsRegression ? "regression" : "single_label_classification");
            json.WriteStartObject("id2label");
            for (int i = 0; i < names.Count; i++) json.WriteString(i.ToString(CultureInfo.InvariantCulture), names[i]);
            json.WriteEndObject();
            json.WriteStartObject("label2id");
            foreach ((string name, int i) in names.Select(static (name, i) => (name, i)).DistinctBy(static pair => pair.name)) json.WriteNumber(name, i);
            json.WriteEndObject();
            if (endOfTextId is { } pad) json.WriteNumber("pad_token_id", pad);
            json.WriteStartObject(Section);
            WriteHead(json, head);
            json.WriteNumber("start_token_id", TaskSequences.StartId(config));
            json.WriteNumber("delimiter_token_id", TaskSequences.DelimiterId(config));
            json.WriteNumber("extract_token_id", TaskSequences.ExtractId(config));
            json.WriteEndObject();
        }
    }

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The network's shape, its vocabulary without the three new tokens, and the head.</returns>
    /// <exception cref="CorruptFileException">The file is no JSON, belongs to a model without a task head, or a value is missing or outside its range.</exception>
    /// <exception cref="UnsupportedModelException">A value asks for a computation that this library does not perform.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static (GptConfig Config, ClassifierHead Head) Read(string path)
    {
        using CheckpointJson json = CheckpointJson.Read(path);
        GptConfig written = CheckpointConfig.Read(json);
        if (json.Find(Section) is not { ValueKind: JsonValueKind.Object } section)
            throw new CorruptFileException(path, $"it has no '{Section}': this model has no task head.", "Name the package of a model that a supervised task trained, or open this one with GptModel.");
        using CheckpointJson values = CheckpointJson.Parse(Encoding.UTF8.GetBytes(section.GetRawText()), path);
        try
        {
            ClassifierHead head = ReadHead(values);
            GptConfig config = written with { VocabularySize = written.VocabularySize - TaskSequences.SpecialTokenCount };
            return (config.Validate(), head.Validate());
        }
        catch (ArgumentException exception)
        {
            throw new CorruptFileException(path, exception.Message, Remedy, exception);
        }
    }

    /// <summary>Writes what describes a head as properties of the object that is open.</summary>
    public static void WriteHead(Utf8JsonWriter json, ClassifierHead head)
    {
        json.WriteString(Task, head.Task.ToString());
        json.WriteStartArray(Labels);
        foreach (string label in head.Labels) json.WriteStringValue(label);
        json.WriteEndArray();
        json.WriteBoolean(Regression, head.IsRegression);
        json.WriteString(Truncation, head.Truncation.ToString());
        json.WriteString(Special, head.SpecialTokens.ToString());
    }

    /// <summary>Reads what <see cref="WriteHead"/> wrote; not validated.</summary>
    /// <exception cref="CorruptFileException">A value is missing or of another type.</exception>
    public static ClassifierHead ReadHead(CheckpointJson values)
    {
        return new ClassifierHead
        {
            Task = values.Required<SupervisedTask>(Task),
            Labels = [.. LabelsOf()],
            IsRegression = values.Boolean(Regression) ?? throw values.Wrong(Regression, null, "true or false"),
            Truncation = values.Required<TextTruncation>(Truncation),
            SpecialTokens = values.Required<SpecialTokenHandling>(Special),
        };

        IEnumerable<string> LabelsOf()
        {
            if (values.Find(Labels) is not { ValueKind: JsonValueKind.Array } list) throw values.Wrong(Labels, values.Find(Labels), "a list of strings");
            foreach (JsonElement label in list.EnumerateArray())
                yield return label.ValueKind == JsonValueKind.String ? label.GetString()! : throw values.Wrong(Labels, label, "a list of strings");
        }
    }
}

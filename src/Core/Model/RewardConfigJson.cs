using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// The <c>config.json</c> of a reward model: Hugging Face's form for sequence classification with one label (a regression), whose vocabulary counts the read-out
/// token, and an object <c>mlnet_gpt_reward</c> for what that form has no words for.
/// </summary>
internal static class RewardConfigJson
{
    private const string Section = "mlnet_gpt_reward";
    private const string Readout = "readout", Conversations = "conversations", Overflow = "overflow", Special = "special_tokens_in_text";
    private const string Remedy = "Export the model again, or copy the whole package again.";

    /// <summary>Writes a configuration.</summary>
    /// <param name="config">The network's shape, whose vocabulary does not count the read-out token.</param>
    /// <param name="head">The head.</param>
    /// <param name="endOfTextId">The tokenizer's end-of-text token; null (the default) where it is not known.</param>
    /// <returns>The contents of <c>config.json</c>.</returns>
    /// <exception cref="ArgumentException">The configuration or the head is not valid.</exception>
    public static string Write(GptConfig config, RewardHead head, int? endOfTextId = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(head);
        config.Validate();
        head.Validate();
        using var stream = new MemoryStream();
        CheckpointConfig.Write(stream, config with { VocabularySize = config.VocabularySize + head.AddedTokenCount }, endOfTextId, "ForSequenceClassification", WriteMore);
        return Encoding.UTF8.GetString(stream.ToArray());

        void WriteMore(Utf8JsonWriter json)
        {
            json.WriteString("problem_type", "regression");
            json.WriteStartObject("id2label");
            json.WriteString("0", "LABEL_0");
            json.WriteEndObject();
            json.WriteStartObject("label2id");
            json.WriteNumber("LABEL_0", 0);
            json.WriteEndObject();
            if (endOfTextId is { } pad) json.WriteNumber("pad_token_id", pad);
            json.WriteStartObject(Section);
            WriteHead(json, head);
            if (head.AddedTokenCount > 0) json.WriteNumber("readout_token_id", RewardSequences.ReadoutId(config));
            json.WriteEndObject();
        }
    }

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The network's shape, its vocabulary without the read-out token, and the head.</returns>
    /// <exception cref="CorruptFileException">The file is no JSON, belongs to a model that is no reward model, or a value is missing or outside its range.</exception>
    /// <exception cref="UnsupportedModelException">A value asks for a computation that this library does not perform.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static (GptConfig Config, RewardHead Head) Read(string path)
    {
        using CheckpointJson json = CheckpointJson.Read(path);
        GptConfig written = CheckpointConfig.Read(json);
        if (json.Find(Section) is not { ValueKind: JsonValueKind.Object } section)
            throw new CorruptFileException(path, $"it has no '{Section}': this model is no reward model.", "Name the package of a model that RewardModel trained, or open this one with GptModel or GptClassifier.");
        using CheckpointJson values = CheckpointJson.Parse(Encoding.UTF8.GetBytes(section.GetRawText()), path);
        try
        {
            RewardHead head = ReadHead(values);
            GptConfig config = written with { VocabularySize = written.VocabularySize - head.AddedTokenCount };
            return (config.Validate(), head.Validate());
        }
        catch (ArgumentException exception)
        {
            throw new CorruptFileException(path, exception.Message, Remedy, exception);
        }
    }

    /// <summary>Writes what describes a head as properties of the object that is open.</summary>
    public static void WriteHead(Utf8JsonWriter json, RewardHead head)
    {
        json.WriteString(Readout, head.Readout.ToString());
        json.WriteBoolean(Conversations, head.Conversations);
        json.WriteString(Overflow, head.Overflow.ToString());
        json.WriteString(Special, head.SpecialTokens.ToString());
    }

    /// <summary>Reads what <see cref="WriteHead"/> wrote; not validated.</summary>
    /// <exception cref="CorruptFileException">A value is missing or of another type.</exception>
    public static RewardHead ReadHead(CheckpointJson values) => new()
    {
        Readout = values.Required<RewardReadout>(Readout),
        Conversations = values.Boolean(Conversations) ?? throw values.Wrong(Conversations, null, "true or false"),
        Overflow = values.Required<PromptOverflow>(Overflow),
        SpecialTokens = values.Required<SpecialTokenHandling>(Special),
    };
}

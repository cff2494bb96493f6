using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>generation_config.json: the generation settings that come with a checkpoint, in Hugging Face's form.</summary>
internal static class CheckpointGeneration
{
    // Names that say nothing about which tokens are generated.
    private static readonly HashSet<string> Inert = new(StringComparer.Ordinal)
    {
        "_from_model_config", "transformers_version", "bos_token_id", "pad_token_id", "use_cache", "return_dict_in_generate",
        "output_attentions", "output_hidden_states", "output_scores", "output_logits",
    };

    private static readonly HashSet<string> Supported = new(StringComparer.Ordinal)
    {
        "eos_token_id", "do_sample", "max_new_tokens", "min_new_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "stop_strings",
        "min_p", "typical_p", "no_repeat_ngram_size", "num_beams", "length_penalty", "prompt_lookup_num_tokens",
    };

    /// <summary>Reads the settings; <paramref name="unsupported"/> names those that this library does not have.</summary>
    /// <exception cref="CorruptFileException">A value is of the wrong type or outside its range.</exception>
    public static GenerationOptions Read(CheckpointJson json, out IReadOnlyList<string> unsupported)
    {
        bool samples = json.Boolean("do_sample") == true; // transformers is greedy where the file does not say
        int beams = json.Int32("num_beams") ?? 1;
        unsupported = [.. json.Properties
            .Where(property => property.Value.ValueKind != JsonValueKind.Null && !Inert.Contains(property.Name) && (!Supported.Contains(property.Name) || (property.Name == "num_beams" && samples && beams > 1)))
            .Select(static property => property.Name)];
        var standard = new GenerationOptions();
        bool saysTopK = json.Properties.Any(static property => property.Name == "top_k"); // its default is 50; null switches top-k off
        float? temperature = json.Single("temperature");
        if (temperature < 0) throw json.Wrong("temperature", json.Find("temperature"), "0 or more");
        int least = json.Int32("min_new_tokens") ?? standard.MinNewTokens;
        var options = standard with
        {
            MaxNewTokens = json.Int32("max_new_tokens") ?? Math.Max(standard.MaxNewTokens, least), // where the file is silent its own least goes before our most
            MinNewTokens = least,
            Temperature = samples ? temperature ?? standard.Temperature : 0,
            TopK = json.Int32("top_k") ?? (samples && !saysTopK ? 50 : standard.TopK),
            TopP = json.Single("top_p") ?? standard.TopP,
            RepetitionPenalty = json.Single("repetition_penalty") ?? standard.RepetitionPenalty,
            MinP = json.Single("min_p") ?? standard.MinP,
            TypicalP = json.Single("typical_p") ?? standard.TypicalP,
            NoRepeatNgramSize = json.Int32("no_repeat_ngram_size") ?? standard.NoRepeatNgramSize,
            BeamCount = samples ? 1 : beams, // beams that draw are not supported
            LengthPenalty = json.Single("length_penalty") ?? standard.LengthPenalty,
            PromptLookupTokens = json.Int32("prompt_lookup_num_tokens") ?? standard.PromptLookupTokens,
            StopStrings = Strings(json, "stop_strings"),
            StopTokenIds = Ids(json, "eos_token_id"),
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new CorruptFileException(json.Path, exception.Message, CheckpointJson.Remedy, exception);
        }

        return options;
    }

    /// <summary>The settings of a checkpoint without generation_config.json: config.json's end-of-text id ends a sequence.</summary>
    public static GenerationOptions ReadFromModelConfig(CheckpointJson json) => new() { StopTokenIds = Ids(json, "eos_token_id") };

    /// <summary>Writes settings; null stands for the defaults, which are written out: transformers' own are others, and a file that is silent means greedy.</summary>
    public static void Write(Stream stream, GenerationOptions? options, int? endOfTextId)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        if (endOfTextId is { } bos) json.WriteNumber("bos_token_id", bos);
        GenerationOptions settings = options ?? new GenerationOptions();
        List<int> ends = [.. settings.StopTokenIds.Concat(endOfTextId is { } id && settings.StopAtEndOfText ? [id] : []).Distinct()];
        if (ends.Count == 1)
        {
            json.WriteNumber("eos_token_id", ends[0]);
        }
        else if (ends.Count > 1)
        {
            json.WriteStartArray("eos_token_id");
            foreach (int end in ends) json.WriteNumberValue(end);
            json.WriteEndArray();
        }

        if (options is not null) json.WriteNumber("max_new_tokens", options.MaxNewTokens);
        if (settings.MinNewTokens > 0) json.WriteNumber("min_new_tokens", settings.MinNewTokens);
        json.WriteBoolean("do_sample", !settings.IsGreedy);
        if (!settings.IsGreedy)
        {
            json.WriteNumber("temperature", settings.Temperature);
            json.WriteNumber("top_k", settings.TopK); // 0 too: transformers' default is 50
            json.WriteNumber("top_p", settings.TopP);
        }

        json.WriteNumber("repetition_penalty", settings.RepetitionPenalty);
        if (settings.MinP > 0) json.WriteNumber("min_p", settings.MinP);
        if (settings.TypicalP < 1) json.WriteNumber("typical_p", settings.TypicalP);
        if (settings.NoRepeatNgramSize > 0) json.WriteNumber("no_repeat_ngram_size", settings.NoRepeatNgramSize);
        if (settings.PromptLookupTokens > 0) json.WriteNumber("prompt_lookup_num_tokens", settings.PromptLookupTokens);
        if (settings.BeamCount > 1)
        {
            json.WriteNumber("num_beams", settings.BeamCount);
            json.WriteNumber("length_penalty", settings.LengthPenalty);
        }

        if (settings.StopStrings.Count > 0)
        {
            json.WriteStartArray("stop_strings");
            foreach (string stop in settings.StopStrings) json.WriteStringValue(stop);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static List<int> Ids(CheckpointJson json, string name)
    {
        if (json.Find(name) is not { } value) return [];
        var ids = new List<int>();
        foreach (JsonElement element in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().AsEnumerable() : [value])
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int id) || id < 0) throw json.Wrong(name, value, "a token id or an array of them");
            ids.Add(id);
        }

        return ids;
    }

    private static List<string> Strings(CheckpointJson json, string name)
    {
        if (json.Find(name) is not { } value) return [];
        if (value.ValueKind == JsonValueKind.String) return [value.GetString()!];
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(static element => element.ValueKind != JsonValueKind.String))
            throw json.Wrong(name, value, "a string or an array of them");
        return [.. value.EnumerateArray().Select(static element => element.GetString()!)];
    }
}

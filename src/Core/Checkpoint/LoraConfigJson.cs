using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>adapter_config.json: PEFT's description of a LoRA adapter. What this library does not do is refused, not skipped.</summary>
internal static class LoraConfigJson
{
    private const string Prefix = "transformer.";
    private const int PatternSeconds = 1;

    // Names that say nothing about what the adapter computes.
    private static readonly HashSet<string> Inert = new(StringComparer.Ordinal)
    {
        "auto_mapping", "base_model_name_or_path", "inference_mode", "megatron_config", "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config",
        // PEFT reads the orientation from the module itself, and GPT-2's are all [in, out].
        "fan_in_fan_out",
        // How an initialisation of the same name is computed (init_lora_weights says which one it was), how the backward pass saves memory, and what becomes of modules that
        // modules_to_save and its like would name.
        "corda_config", "ensure_weight_tying", "eva_config", "loftq_config", "lora_ga_config", "velora_config",
    };

    private static readonly HashSet<string> Honoured = new(StringComparer.Ordinal)
    {
        "peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "use_rslora", "bias", "init_lora_weights",
    };

    /// <summary>Reads the configuration of an adapter for a model.</summary>
    /// <exception cref="CorruptFileException">A value is of the wrong type or outside its range.</exception>
    /// <exception cref="UnsupportedAdapterException">A setting asks for something that this library does not do.</exception>
    public static LoraOptions Read(CheckpointJson json, GptConfig config)
    {
        Require("peft_type", "LORA");
        Require("bias", "none");
        if (json.Find("task_type") is { } task && json.String("task_type") is not ("CAUSAL_LM" or "FEATURE_EXTRACTION" or "SEQ_CLS"))
            throw Unsupported("task_type", task, "CAUSAL_LM, FEATURE_EXTRACTION, SEQ_CLS or null");

        // PiSSA, OLoRA and their like change the base's weights before training: the adapter alone is not the model. EVA and MiCA leave them as they are.
        if (json.Find("init_lora_weights") is { } init && init.ValueKind is not (JsonValueKind.True or JsonValueKind.False)
            && json.String("init_lora_weights") is not ("gaussian" or "orthogonal" or "eva" or "mica"))
            throw Unsupported("init_lora_weights", init, "true, false, \"gaussian\", \"orthogonal\", \"eva\" or \"mica\"");
        foreach (JsonProperty property in json.Properties)
        {
            if (!Inert.Contains(property.Name) && !Honoured.Contains(property.Name) && !IsOff(property.Value))
                throw Unsupported(property.Name, property.Value, "null, false or empty");
        }

        (LoraProjections projections, IReadOnlyList<int>? layers) = Targets(json, config);
        var options = new LoraOptions
        {
            Rank = json.Int32("r") ?? throw json.Wrong("r", null, "a whole number"),
            Alpha = json.Single("lora_alpha") ?? throw json.Wrong("lora_alpha", null, "a number"),
            Dropout = json.Single("lora_dropout") ?? 0,
            Projections = projections,
            Layers = layers,
            RankStabilized = json.Boolean("use_rslora") ?? false,
        };
        try
        {
            return options.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new CorruptFileException(json.Path, exception.Message, "Fetch or write the adapter again.", exception);
        }

        void Require(string name, string value)
        {
            if (json.Find(name) is { } found ? json.String(name) != value : name == "peft_type")
                throw new UnsupportedAdapterException(json.Path, name, json.Find(name) is { } other ? CheckpointJson.Shorten(other.GetRawText()) : "missing", $"\"{value}\"");
        }

        UnsupportedAdapterException Unsupported(string name, JsonElement found, string supported) => new(json.Path, name, CheckpointJson.Shorten(found.GetRawText()), supported);
    }

    /// <summary>Writes the configuration in PEFT's form.</summary>
    public static void Write(Stream stream, LoraOptions options, string? baseModel, string taskType)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("alpha_pattern");
        json.WriteEndObject();
        json.WriteNull("auto_mapping");
        json.WriteString("base_model_name_or_path", baseModel);
        json.WriteString("bias", "none");
        json.WriteBoolean("fan_in_fan_out", true); // GPT-2's projections are [in, out]
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_lora_weights", true);
        json.WriteNull("layers_pattern");
        if (options.Layers is null)
        {
            json.WriteNull("layers_to_transform");
        }
        else
        {
            json.WriteStartArray("layers_to_transform");
            foreach (int layer in options.Layers.Order()) json.WriteNumberValue(layer);
            json.WriteEndArray();
        }

        if (options.Alpha == Math.Floor(options.Alpha) && options.Alpha < int.MaxValue) json.WriteNumber("lora_alpha", (int)options.Alpha);
        else json.WriteNumber("lora_alpha", options.Alpha);
        json.WriteNumber("lora_dropout", options.Dropout);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", "LORA");
        json.WriteNumber("r", options.Rank);
        json.WriteStartObject("rank_pattern");
        json.WriteEndObject();
        json.WriteNull("revision");
        json.WriteStartArray("target_modules");
        foreach ((LoraProjections projection, string module) in LoraLayout.Modules)
        {
            if (options.Projections.HasFlag(projection)) json.WriteStringValue(module);
        }

        json.WriteEndArray();
        json.WriteString("task_type", taskType);
        json.WriteBoolean("use_dora", false);
        json.WriteBoolean("use_rslora", options.RankStabilized);
        json.WriteEndObject();
    }

    /// <summary>Null, false, empty, or an object of nothing else.</summary>
    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.EnumerateObject().All(static inner => IsOff(inner.Value)),
        _ => false,
    };

    /// <summary>
    /// PEFT's rules for which modules are adapted: a name of the list is a module's name or the end of it, behind a point; a string alone is
    /// a pattern for the whole name, or "all-linear". The names of a model without an output head have no "transformer." before them.
    /// </summary>
    private static (LoraProjections Projections, IReadOnlyList<int>? Layers) Targets(CheckpointJson json, GptConfig config)
    {
        JsonElement targets = json.Find("target_modules") ?? throw json.Wrong("target_modules", null, "a list of names, or a pattern");
        Func<string, bool> isTarget = Matcher(json, "target_modules", targets);
        Func<string, bool> isExcluded = json.Find("exclude_modules") is { } excluded ? Matcher(json, "exclude_modules", excluded) : static _ => false;
        HashSet<int>? only = Layers(json);
        var chosen = new Dictionary<int, LoraProjections>();
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            if (only?.Contains(layer) == false) continue;
            LoraProjections found = LoraProjections.None;
            foreach ((LoraProjections projection, string module) in LoraLayout.Modules)
            {
                string name = string.Create(CultureInfo.InvariantCulture, $"{Prefix}h.{layer}.{module}");
                if (isTarget(name) && !isExcluded(name)) found |= projection;
            }

            if (found != LoraProjections.None) chosen.Add(layer, found);
        }

        if (chosen.Count == 0)
            throw new UnsupportedAdapterException(json.Path, "target_modules", CheckpointJson.Shorten(targets.GetRawText()), "one or more of c_attn, c_proj (attn.c_proj, mlp.c_proj) and c_fc");
        if (chosen.Values.Distinct().Count() > 1)
            throw new UnsupportedAdapterException(json.Path, "target_modules", CheckpointJson.Shorten(targets.GetRawText()), "the same modules in each layer that is adapted");
        return (chosen.Values.First(), chosen.Count == config.LayerCount ? null : [.. chosen.Keys]);
    }

    private static Func<string, bool> Matcher(CheckpointJson json, string setting, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(static e => e.ValueKind == JsonValueKind.String))
        {
            string[] names = [.. value.EnumerateArray().Select(static e => e.GetString()!)];
            // A module that is none of a block's projections, such as wte or lm_head, would be an adapter that this library can't apply.
            if (setting == "target_modules" && names.FirstOrDefault(static name => !LoraLayout.Modules.Any(m => EndsWith($"transformer.h.0.{m.Module}", Generic(name)))) is { } unknown)
                throw new UnsupportedAdapterException(json.Path, setting, $"\"{CheckpointJson.Shorten(unknown)}\"", "c_attn, c_proj (attn.c_proj, mlp.c_proj) and c_fc");
            return module => names.Any(name => EndsWith(module, name));
        }

        string text = json.String(setting)!;
        if (text == "all-linear") return static _ => true;
        Regex pattern = Pattern(json, setting, text);
        return module =>
        {
            try
            {
                return pattern.IsMatch(module) || pattern.IsMatch(module[Prefix.Length..]);
            }
            catch (RegexMatchTimeoutException)
            {
                throw new UnsupportedAdapterException(json.Path, setting, CheckpointJson.Shorten(value.GetRawText()), $"a pattern that is matched within {PatternSeconds} s");
            }
        };

        static bool EndsWith(string module, string name) => module == name || module.EndsWith("." + name, StringComparison.Ordinal);

        static string Generic(string name) => Regex.Replace(name, @"(?<=(?:\A|\.)h\.)[0-9]{1,6}(?=\.)", "0", RegexOptions.CultureInvariant);
    }

    private static Regex Pattern(CheckpointJson json, string setting, string text)
    {
        string whole = $@"\A(?:{text})\z";
        try
        {
            try
            {
                return new Regex(whole, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
            }
            catch (NotSupportedException)
            {
                // Look-around and back references need another engine, which may take for ever.
                return new Regex(whole, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(PatternSeconds));
            }
        }
        catch (ArgumentException)
        {
            throw new UnsupportedAdapterException(json.Path, setting, CheckpointJson.Shorten(text), "a list of names, \"all-linear\", or a pattern that .NET's regular expressions understand too");
        }
    }

    private static HashSet<int>? Layers(CheckpointJson json)
    {
        if (json.Find("layers_pattern") is { } pattern && !IsOff(pattern) && !IsH(pattern))
            throw new UnsupportedAdapterException(json.Path, "layers_pattern", CheckpointJson.Shorten(pattern.GetRawText()), "null or \"h\"");
        if (json.Find("layers_to_transform") is not { } value) return null;
        var layers = new HashSet<int>();
        foreach (JsonElement element in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().AsEnumerable() : [value])
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int layer) || layer < 0) throw json.Wrong("layers_to_transform", value, "a layer or a list of layers, from 0");
            layers.Add(layer);
        }

        return layers;

        static bool IsH(JsonElement value) => value.ValueKind == JsonValueKind.String
            ? value.GetString() == "h"
            : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(static e => e.ValueKind == JsonValueKind.String && e.GetString() == "h");
    }
}

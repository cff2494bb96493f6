using System.Text.Json;
using MLNet.Gpt;

namespace ServingApp.OpenAi;

/// <summary>Reads a JSON object member by member, and knows in the end which members nobody read: those are refused, never ignored. A member that is null is absent.</summary>
internal sealed class RequestReader
{
    private readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    private readonly string _path;

    /// <param name="json">The object.</param>
    /// <param name="path">What its members' names begin with in errors.</param>
    public RequestReader(JsonElement json, string path = "")
    {
        _path = path;
        if (json.ValueKind != JsonValueKind.Object) throw OpenAiException.Invalid(path.Length == 0 ? null : path.TrimEnd('.'), $"{(path.Length == 0 ? "The request" : $"'{path.TrimEnd('.')}'")} is a JSON {Name(json)} where an object is expected.");
        foreach (JsonProperty member in json.EnumerateObject())
        {
            if (member.Value.ValueKind != JsonValueKind.Null && !_members.TryAdd(member.Name, member.Value))
                throw OpenAiException.Invalid(_path + member.Name, $"'{_path + member.Name}' is there more than once.");
        }
    }

    public JsonElement? Element(string name) => _members.Remove(name, out JsonElement value) ? value : null;

    public string? String(string name) => Element(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, value, "a string");

    public bool? Boolean(string name) => Element(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, value, "true or false");

    public long? Integer(string name, long least, long most) => Element(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= least && number <= most ? number
        : throw Wrong(name, value, $"a whole number from {least} to {most}");

    public float? Number(string name, double least, double most, bool leastIncluded = true, bool mostIncluded = true) => Element(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && (leastIncluded ? number >= least : number > least) && (mostIncluded ? number <= most : number < most) ? number
        : throw Wrong(name, value, FormattableString.Invariant($"a number {(leastIncluded ? "of at least" : "above")} {least} and {(mostIncluded ? "at most" : "below")} {most}, in 32 bits"));

    /// <summary>A string, or a list of strings.</summary>
    public IReadOnlyList<string>? Strings(string name, int most)
    {
        if (Element(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String) return [value.GetString()!];
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(static item => item.ValueKind != JsonValueKind.String)) throw Wrong(name, value, "a string or a list of strings");
        return value.GetArrayLength() <= most ? [.. value.EnumerateArray().Select(static item => item.GetString()!)]
            : throw OpenAiException.Invalid(_path + name, $"'{_path + name}' has {value.GetArrayLength()} strings; at most {most} are allowed.");
    }

    /// <summary>A text or its token ids, or a list of either, as OpenAI's API takes prompts and texts to embed.</summary>
    public int[][] TextsOrTokens(string name, JsonElement value, GptTokenizer tokenizer, int most)
    {
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        if (items is [{ ValueKind: JsonValueKind.Number }, ..]) items = [value];
        if (items.Length == 0 || items.Length > most) throw OpenAiException.Invalid(_path + name, $"'{_path + name}' has {items.Length} texts; it must have 1 to {most}.");
        return [.. items.Select(item => item.ValueKind switch
        {
            JsonValueKind.String => tokenizer.Encode(item.GetString()!, SpecialTokenHandling.AsText), // text from strangers
            JsonValueKind.Array => [.. item.EnumerateArray().Select(Token)],
            _ => throw Wrong(name, item, "a text, a list of token ids, or a list of either"),
        })];

        int Token(JsonElement token) => token.ValueKind == JsonValueKind.Number && token.TryGetInt32(out int id) && id >= 0 && id < tokenizer.VocabularySize
            ? id : throw Wrong(name, token, $"a text, a list of token ids from 0 to {tokenizer.VocabularySize - 1}, or a list of either");
    }

    /// <summary>A member that is taken only with a value that changes nothing.</summary>
    public void Refuse(string name, string remedy, params ReadOnlySpan<string> neutral)
    {
        if (Element(name) is { } value && !neutral.Contains(value.GetRawText().Replace(" ", "", StringComparison.Ordinal))) throw OpenAiException.Unsupported(_path + name, Show(value), remedy);
    }

    /// <summary>Takes the member <c>type</c>, which is "function" wherever tools are spoken of.</summary>
    public void RequireFunction()
    {
        string? type = String("type");
        if (type != "function") throw OpenAiException.Invalid(_path + "type", $"'{_path}type' is {(type is null ? "missing" : $"'{type}'")}; tools are of the type 'function'.");
    }

    /// <summary>Refuses the first member that was not asked for.</summary>
    public void Finish()
    {
        if (_members.Count > 0) throw OpenAiException.Unsupported(_path + _members.Keys.First(), Show(_members.Values.First()), "Leave it out.");
    }

    /// <summary>Takes an object that has no bearing on the answer, whatever it says.</summary>
    public void Object(string name)
    {
        if (Element(name) is { } value && value.ValueKind != JsonValueKind.Object) throw Wrong(name, value, "an object");
    }

    public OpenAiException Wrong(string name, JsonElement found, string expected) => OpenAiException.Invalid(_path + name, $"'{_path + name}' is {Show(found)}; it must be {expected}.");

    private static string Show(JsonElement value)
    {
        string text = value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? $"a JSON {Name(value)}" : value.GetRawText();
        return text.Length > 100 ? text[..100] + "…" : text;
    }

    private static string Name(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.True or JsonValueKind.False => "boolean",
        _ => element.ValueKind.ToString().ToLowerInvariant(),
    };
}

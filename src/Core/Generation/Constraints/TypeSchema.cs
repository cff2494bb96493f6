using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace MLNet.Gpt;

/// <summary>The schema of what System.Text.Json deserializes as a type, narrowed to what the type's numbers can hold.</summary>
internal static class TypeSchema
{
    private static readonly Dictionary<Type, (decimal Min, decimal Max)> Ranges = new()
    {
        [typeof(sbyte)] = Of<sbyte>(), [typeof(byte)] = Of<byte>(), [typeof(short)] = Of<short>(), [typeof(ushort)] = Of<ushort>(),
        [typeof(int)] = Of<int>(), [typeof(uint)] = Of<uint>(), [typeof(long)] = Of<long>(), [typeof(ulong)] = Of<ulong>(), [typeof(UInt128)] = (0, decimal.MaxValue),
    };

    private const string Decimal = "^-?(?:0|[1-9][0-9]{0,3})(?:\\.[0-9]{1,6})?$";
    private const string Base64 = "^(?:[A-Za-z0-9+/]{4})*$";

    // Texts that System.Text.Json reads as these types; its own patterns also match some that it does not.
    private static readonly Dictionary<Type, string> Patterns = new()
    {
        [typeof(byte[])] = Base64,
        [typeof(Memory<byte>)] = Base64,
        [typeof(ReadOnlyMemory<byte>)] = Base64,
        [typeof(char)] = "^.$",
        [typeof(TimeOnly)] = "^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$",
        [typeof(TimeSpan)] = "^-?(?:[1-9][0-9]{0,5}\\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$",
        [typeof(Version)] = "^[0-9]{1,6}(?:\\.[0-9]{1,6}){1,3}$",
    };

    // What names of members have to be where they are read as these types.
    private static readonly Dictionary<Type, string> KeyFormats = new()
    {
        [typeof(Guid)] = "uuid", [typeof(DateTime)] = "date-time", [typeof(DateTimeOffset)] = "date-time", [typeof(DateOnly)] = "date", [typeof(Uri)] = "uri",
    };

    private static readonly Dictionary<Type, string> KeyPatterns = new()
    {
        [typeof(float)] = Decimal, [typeof(double)] = Decimal, [typeof(decimal)] = Decimal, [typeof(Half)] = Decimal,
        [typeof(Int128)] = "^(?:0|-?[1-9][0-9]{0,14})$",
    };

    public static JsonNode Of(Type type, JsonSerializerOptions options)
    {
        if (options.TypeInfoResolver is null)
        {
            options = new JsonSerializerOptions(options);
            options.MakeReadOnly(populateMissingResolver: true);
        }

        return options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Narrow });
    }

    private static JsonNode Narrow(JsonSchemaExporterContext context, JsonNode node)
    {
        if (node is not JsonObject schema || schema.ContainsKey("$ref")) return node;
        Type type = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;

        // Numbers may be read from strings where the options allow it; they are written as numbers.
        if (schema["type"] is JsonArray types && types.Any(static t => (string?)t == "string") && types.Any(static t => (string?)t is "integer" or "number"))
        {
            schema["type"] = new JsonArray([.. types.Where(static t => (string?)t != "string").Select(static t => t!.DeepClone())]);
            schema.Remove("pattern");
        }

        if (context.TypeInfo.Kind == JsonTypeInfoKind.Dictionary && context.TypeInfo.KeyType is { } key && Names(schema).Contains("object") && KeySchema(key, context.TypeInfo.Options) is { } names)
        {
            schema["propertyNames"] = names;
        }
        else if (type.IsEnum && schema["enum"] is null && IsString(schema))
        {
            // Flags, of which any combination is read: those that have a name of their own are written.
            bool nullable = schema["type"] is JsonArray;
            schema.Remove("type");
            schema["enum"] = new JsonArray([.. TextsOf(type, context.TypeInfo.Options).Select(static text => (JsonNode)text), .. nullable ? new JsonNode?[] { null } : []]);
        }
        else if (type.IsEnum && schema["enum"] is null && IsInteger(schema))
        {
            JsonNode?[] values = [.. Enum.GetValuesAsUnderlyingType(type).Cast<object>().Distinct().Select(static value => JsonValue.Create(Convert.ToDecimal(value, CultureInfo.InvariantCulture)))];
            bool nullable = schema["type"] is JsonArray;
            schema.Remove("type");
            schema["enum"] = new JsonArray([.. values, .. nullable ? new JsonNode?[] { null } : []]);
        }
        else if (Ranges.TryGetValue(type, out (decimal Min, decimal Max) range) && IsInteger(schema))
        {
            schema.TryAdd("minimum", JsonValue.Create(range.Min));
            schema.TryAdd("maximum", JsonValue.Create(range.Max));
        }
        else if (type == typeof(Half) && Names(schema).Contains("number"))
        {
            schema.TryAdd("minimum", JsonValue.Create(-65504)); // its readers refuse what is beyond
            schema.TryAdd("maximum", JsonValue.Create(65504));
        }
        else if (Patterns.TryGetValue(type, out string? pattern) && IsString(schema))
        {
            foreach (string keyword in new[] { "format", "minLength", "maxLength" }) schema.Remove(keyword);
            schema["pattern"] = pattern;
        }

        return schema;

        static bool IsInteger(JsonObject schema) => Names(schema).Contains("integer");
        static bool IsString(JsonObject schema) => Names(schema).Contains("string");
        static string?[] Names(JsonObject schema) => schema["type"] switch
        {
            JsonArray list => [.. list.Select(static type => (string?)type)],
            JsonValue value => [(string?)value],
            _ => [],
        };
    }

    /// <summary>What the name of a member must be that is read as a dictionary's key; null for any.</summary>
    private static JsonObject? KeySchema(Type key, JsonSerializerOptions options)
    {
        if (key.IsEnum) return new() { ["enum"] = new JsonArray([.. KeysOf(key, options).Select(static text => (JsonNode)text)]) };
        if (Ranges.TryGetValue(key, out (decimal Min, decimal Max) range)) return new() { ["pattern"] = range.Min < 0 ? $"^(?:{UpTo(range.Max)}|-(?:{UpTo(-range.Min)}))$" : $"^(?:{UpTo(range.Max)})$" };
        if (KeyFormats.TryGetValue(key, out string? format)) return new() { ["format"] = format };
        if (key == typeof(bool)) return new() { ["enum"] = new JsonArray("True", "False") };
        return KeyPatterns.TryGetValue(key, out string? pattern) || Patterns.TryGetValue(key, out pattern) ? new() { ["pattern"] = pattern } : null;
    }

    /// <summary>A regular expression of the whole numbers from 0 to another one, which has two digits or more: those with fewer digits, then those that part from it at one of its digits, then itself.</summary>
    private static string UpTo(decimal most)
    {
        string digits = most.ToString(CultureInfo.InvariantCulture);
        List<string> ways = ["0", $"[1-9][0-9]{{0,{digits.Length - 2}}}"];
        for (int i = 0; i < digits.Length; i++)
        {
            (int low, int high) = (i == 0 ? 1 : 0, digits[i] - '1');
            if (low <= high) ways.Add($"{digits[..i]}[{low}-{high}][0-9]{{{digits.Length - i - 1}}}");
        }

        return string.Join('|', [.. ways, digits]);
    }

    private static IEnumerable<string> KeysOf(Type type, JsonSerializerOptions options)
    {
        options = new JsonSerializerOptions(options) { DictionaryKeyPolicy = null }; // it is for writing alone
        foreach (object value in Enum.GetValues(type).Cast<object>().Distinct())
        {
            var one = (System.Collections.IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(type, typeof(int)))!;
            one.Add(value, 0);
            yield return JsonSerializer.SerializeToNode(one, one.GetType(), options)!.AsObject().First().Key;
        }
    }

    private static IEnumerable<string> TextsOf(Type type, JsonSerializerOptions options) => Enum.GetValues(type).Cast<object>().Distinct()
        .Select(value => JsonSerializer.SerializeToNode(value, type, options) is JsonValue written && written.TryGetValue(out string? text) ? text : value.ToString()!);

    private static (decimal Min, decimal Max) Of<T>()
        where T : IMinMaxValue<T>, INumber<T> => (decimal.CreateChecked(T.MinValue), decimal.CreateChecked(T.MaxValue));
}

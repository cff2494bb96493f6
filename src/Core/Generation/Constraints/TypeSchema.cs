using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;

namespace MLNet.Gpt;

/// <summary>The schema of what System.Text.Json deserializes as a type, narrowed to what the type's numbers can hold.</summary>
internal static class TypeSchema
{
    private static readonly Dictionary<Type, (decimal Min, decimal Max)> Ranges = new()
    {
        [typeof(sbyte)] = Of<sbyte>(), [typeof(byte)] = Of<byte>(), [typeof(short)] = Of<short>(), [typeof(ushort)] = Of<ushort>(),
        [typeof(int)] = Of<int>(), [typeof(uint)] = Of<uint>(), [typeof(long)] = Of<long>(), [typeof(ulong)] = Of<ulong>(),
    };

    // Texts that System.Text.Json reads as these types; its own patterns also match some that it does not.
    private static readonly Dictionary<Type, string> Patterns = new()
    {
        [typeof(byte[])] = "^(?:[A-Za-z0-9+/]{4})*$",
        [typeof(char)] = "^.$",
        [typeof(TimeOnly)] = "^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$",
        [typeof(TimeSpan)] = "^-?(?:[1-9][0-9]{0,5}\\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$",
        [typeof(Version)] = "^[0-9]{1,6}(?:\\.[0-9]{1,6}){1,3}$",
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

        if (type.IsEnum && schema["enum"] is null && IsInteger(schema))
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

    private static (decimal Min, decimal Max) Of<T>()
        where T : IMinMaxValue<T>, INumber<T> => (decimal.CreateChecked(T.MinValue), decimal.CreateChecked(T.MaxValue));
}

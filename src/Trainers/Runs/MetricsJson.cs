using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace MLNet.Gpt;

/// <summary>
/// Reports as JSON: each property under its name in snake_case, numbers that are not finite as null, times as seconds (<c>elapsed_seconds</c>). What is left of the
/// run is an estimate of the moment and left out.
/// </summary>
internal static class MetricsJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new FiniteConverter(), new SecondsConverter() },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { Rename } },
    };

    public static string ToLine(TrainingProgress report) => JsonSerializer.Serialize(report, Options);

    public static JsonElement ToElement(TrainingProgress report) => JsonSerializer.SerializeToElement(report, Options);

    /// <exception cref="JsonException">It is not a report.</exception>
    public static TrainingProgress Parse(string line) => StrictJson.Deserialize<TrainingProgress>(line, Options);

    private static void Rename(JsonTypeInfo type)
    {
        if (type.Type != typeof(TrainingProgress)) return;
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.Name == "elapsed") property.Name = "elapsed_seconds";
            if (property.Name == "remaining") property.ShouldSerialize = static (_, _) => false;
            if (property.Name is "step" or "loss") property.IsRequired = true;
        }
    }

    /// <summary>JSON has no NaN and no infinity.</summary>
    private sealed class FiniteConverter : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.Null ? double.NaN : reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value)) writer.WriteNumberValue(value);
            else writer.WriteNullValue();
        }
    }

    private sealed class SecondsConverter : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => TimeSpan.FromSeconds(reader.GetDouble());

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) => writer.WriteNumberValue(Math.Round(value.TotalSeconds, 3));
    }
}

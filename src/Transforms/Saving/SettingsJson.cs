using System.Text.Json;
using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>A transformer's columns and options as JSON: every property that can be set, by its name.</summary>
internal static class SettingsJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        IgnoreReadOnlyProperties = true, // what follows from the others
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, // an option that this version does not know must not be dropped
        Converters = { new JsonStringEnumConverter() },
    };

    public static string Write<TSettings>(TSettings settings) => JsonSerializer.Serialize(settings, Options);

    /// <exception cref="JsonException">The text is not such settings.</exception>
    public static TSettings Read<TSettings>(string json) => StrictJson.Deserialize<TSettings>(json, Options);
}

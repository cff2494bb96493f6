using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class TypeSchemaTests
{
    private const string Whole = """^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$""";

    [TestMethod]
    [DataRow(typeof(sbyte), """{"type":"integer","minimum":-128,"maximum":127}""")]
    [DataRow(typeof(byte), """{"type":"integer","minimum":0,"maximum":255}""")]
    [DataRow(typeof(short), """{"type":"integer","minimum":-32768,"maximum":32767}""")]
    [DataRow(typeof(ushort), """{"type":"integer","minimum":0,"maximum":65535}""")]
    [DataRow(typeof(int), """{"type":"integer","minimum":-2147483648,"maximum":2147483647}""")]
    [DataRow(typeof(uint), """{"type":"integer","minimum":0,"maximum":4294967295}""")]
    [DataRow(typeof(long), """{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}""")]
    [DataRow(typeof(ulong), """{"type":"integer","minimum":0,"maximum":18446744073709551615}""")]
    [DataRow(typeof(Int128), """{"type":"integer"}""")]
    [DataRow(typeof(int?), """{"type":["integer","null"],"minimum":-2147483648,"maximum":2147483647}""")]
    [DataRow(typeof(double), """{"type":"number"}""")]
    [DataRow(typeof(bool), """{"type":"boolean"}""")]
    [DataRow(typeof(char), """{"type":"string","pattern":"^.$"}""")]
    [DataRow(typeof(byte[]), """{"type":"string","pattern":"^(?:[A-Za-z0-9+/]{4})*$"}""")]
    [DataRow(typeof(TimeOnly), $$"""{"type":"string","pattern":"{{Whole}}"}""")]
    [DataRow(typeof(TimeSpan), """{"type":"string","pattern":"^-?(?:[1-9][0-9]{0,5}\\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$"}""")]
    [DataRow(typeof(TimeSpan?), """{"type":["string","null"],"pattern":"^-?(?:[1-9][0-9]{0,5}\\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,7})?$"}""")]
    [DataRow(typeof(Version), """{"type":"string","pattern":"^[0-9]{1,6}(?:\\.[0-9]{1,6}){1,3}$"}""")]
    [DataRow(typeof(Small), """{"enum":[0,1,7]}""")]
    [DataRow(typeof(Small?), """{"enum":[0,1,7,null]}""")]
    [DataRow(typeof(Wide), """{"enum":[5,-1]}""")]
    [DataRow(typeof(Named), """{"enum":["A","B"]}""")]
    [DataRow(typeof(int[]), """{"type":"array","items":{"type":"integer","minimum":-2147483648,"maximum":2147483647}}""")]
    [DataRow(typeof(Point), """{"type":"object","properties":{"X":{"type":"integer","minimum":0,"maximum":255},"Label":{"type":"string"},"More":{"type":["string","null"]}},"required":["X","Label","More"]}""")]
    public void A_type_has_this_schema(Type type, string schema) => Same(schema, TypeSchema.Of(type, JsonSerializerOptions.Default).ToJsonString());

    [TestMethod]
    public void The_options_are_those_of_the_caller()
    {
        // Names in camel case; numbers may be read from strings, and are written as numbers.
        const string Point = """{"type":"object","properties":{"x":{"type":"integer","minimum":0,"maximum":255},"label":{"type":"string"},"more":{"type":["string","null"]}},"required":["x","label","more"]}""";
        var web = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        Same(Point.Replace("\"integer\"", "[\"integer\"]", StringComparison.Ordinal), TypeSchema.Of(typeof(Point), web).ToJsonString());
        Same("""{"type":["number"]}""", TypeSchema.Of(typeof(double), web).ToJsonString());
        Same("""{"type":["integer","null"],"minimum":0,"maximum":255}""", TypeSchema.Of(typeof(byte?), web).ToJsonString());

        // The same without and with a resolver, and none is set on the caller's own.
        var options = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
        Same(Point, TypeSchema.Of(typeof(Point), options).ToJsonString());
        Assert.IsNull(options.TypeInfoResolver);
        Assert.IsFalse(options.IsReadOnly);
    }

    [TestMethod]
    public void A_type_in_itself_is_a_reference() => Same(
        """{"type":"object","properties":{"Value":{"type":"integer","minimum":0,"maximum":255},"Next":{"type":["object","null"],"properties":{"Value":{"type":"integer","minimum":0,"maximum":255},"Next":{"$ref":"#/properties/Next"}},"required":["Value","Next"]}},"required":["Value","Next"]}""",
        TypeSchema.Of(typeof(Chain), JsonSerializerOptions.Default).ToJsonString());

    [TestMethod]
    public void Texts_of_these_forms_are_read_as_their_types()
    {
        Check<TimeSpan>("00:00:00|-23:59:59.9999999|999999.01:02:03|1.00:00:00", "24:00:00|1:00:00|0.01:02:03|00:00:60|00:00:00.|00:00:00.12345678");
        Check<TimeOnly>("00:00:00|23:59:59.1234567", "24:00:00|-01:00:00|00:00");
        Check<Version>("1.2|1.2.3|10.20.30.40|999999.0", "1|1.2.3.4.5|1.|1000000.1|1.-2");
        Check<byte[]>("|AAAA|ab+/09ZZ", "A|AAA|AAA=|AA==|AAAA-AAA");
        Check<char>("a|é", "|ab|😀");

        static void Check<T>(string accepted, string refused)
        {
            var text = new GrammarText(JsonSchemaReader.Read(TypeSchema.Of(typeof(T), JsonSerializerOptions.Default).ToJsonString(), JsonWhitespace.None));
            foreach (string one in accepted.Split('|'))
            {
                Assert.IsTrue(text.Accepts($"\"{one}\""), one);
                Assert.IsNotNull(JsonSerializer.Deserialize<T>($"\"{one}\""));
            }

            foreach (string one in refused.Split('|')) Assert.IsFalse(text.Accepts($"\"{one}\""), one);
        }
    }

    // As JSON: the order of members and the form of numbers play no part, and comments neither.
    private static void Same(string expected, string found)
    {
        JsonNode node = JsonNode.Parse(found)!;
        node.AsObject().Remove("$comment");
        Assert.IsTrue(JsonNode.DeepEquals(JsonNode.Parse(expected), node), $"{found}, and not {expected}");
    }

    private enum Small : byte
    {
        Zero,
        One,
        AlsoOne = 1,
        Seven = 7,
    }

    private enum Wide : long
    {
        Minus = -1,
        Five = 5,
    }

    [JsonConverter(typeof(JsonStringEnumConverter<Named>))]
    private enum Named
    {
        A,
        B,
    }

    private sealed record Point(byte X, string Label, string? More);

    private sealed record Chain(byte Value, Chain? Next);
}

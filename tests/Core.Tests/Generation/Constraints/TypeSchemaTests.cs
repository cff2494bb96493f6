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
    [DataRow(typeof(Half), """{"type":"number","minimum":-65504,"maximum":65504}""")]
    [DataRow(typeof(Half?), """{"type":["number","null"],"minimum":-65504,"maximum":65504}""")]
    [DataRow(typeof(byte), """{"type":"integer","minimum":0,"maximum":255}""")]
    [DataRow(typeof(short), """{"type":"integer","minimum":-32768,"maximum":32767}""")]
    [DataRow(typeof(ushort), """{"type":"integer","minimum":0,"maximum":65535}""")]
    [DataRow(typeof(int), """{"type":"integer","minimum":-2147483648,"maximum":2147483647}""")]
    [DataRow(typeof(uint), """{"type":"integer","minimum":0,"maximum":4294967295}""")]
    [DataRow(typeof(long), """{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}""")]
    [DataRow(typeof(ulong), """{"type":"integer","minimum":0,"maximum":18446744073709551615}""")]
    [DataRow(typeof(Int128), """{"type":"integer"}""")]
    [DataRow(typeof(UInt128), """{"type":"integer","minimum":0,"maximum":79228162514264337593543950335}""")]
    [DataRow(typeof(int?), """{"type":["integer","null"],"minimum":-2147483648,"maximum":2147483647}""")]
    [DataRow(typeof(double), """{"type":"number"}""")]
    [DataRow(typeof(bool), """{"type":"boolean"}""")]
    [DataRow(typeof(char), """{"type":"string","pattern":"^.$"}""")]
    [DataRow(typeof(byte[]), """{"type":"string","pattern":"^(?:[A-Za-z0-9+/]{4})*$"}""")]
    [DataRow(typeof(ReadOnlyMemory<byte>), """{"type":"string","pattern":"^(?:[A-Za-z0-9+/]{4})*$"}""")]
    [DataRow(typeof(Dictionary<string, bool>), """{"type":"object","additionalProperties":{"type":"boolean"}}""")]
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

    [TestMethod]
    public void The_names_of_a_dictionarys_members_are_read_as_its_keys()
    {
        Check<string>("|a b|é", "");
        Check<byte>("0|7|10|199|200|249|255", "256|300|-1|07|1000|x|");
        Check<sbyte>("0|127|-128|-1|99", "128|-129|-0x|200");
        Check<short>("32767|-32768|12345", "32768|-32769|100000");
        Check<int>("2147483647|-2147483648|42", "2147483648|-2147483649|1.5|a");
        Check<ulong>("18446744073709551615|0", "18446744073709551616|-1");
        Check<UInt128>("79228162514264337593543950335", "-1");
        Check<Int128>("-123456789012345", "1234567890123456|a");
        Check<double>("1.5|-0.25|9999", "a|.5|1e3");
        Check<bool>("True|False", "1|yes");
        Check<char>("a|é", "ab|");
        Check<Guid>("01234567-89ab-cdef-0123-456789abcdef", "01234567|a");
        Check<DateOnly>("2024-02-28", "2024-02-31|today");
        Check<DateTime>("2024-02-28T01:02:03Z", "2024-02-28|now");
        Check<TimeSpan>("1.02:03:04", "a|99:00:00");
        Check<Small>("Zero|Seven", "1|Nine");
        Check<Named>("A|B", "C|0");
        Check<Access>("Read|None", "Readx|Read, Write");

        // A policy for keys is for writing alone; names that a converter gives are read as well.
        var snake = new JsonSerializerOptions { DictionaryKeyPolicy = JsonNamingPolicy.SnakeCaseUpper, Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) } };
        Check<Wide>("minus|five", "Minus|MINUS", snake);
        Same("""{"type":["object","null"],"additionalProperties":{"type":"boolean"},"propertyNames":{"enum":["A","B"]}}""", TypeSchema.Of(typeof(Holder), JsonSerializerOptions.Default)["properties"]!["Map"]!.ToJsonString());

        static void Check<TKey>(string accepted, string refused, JsonSerializerOptions? options = null)
            where TKey : notnull
        {
            options ??= JsonSerializerOptions.Default;
            var text = new GrammarText(JsonSchemaReader.Read(TypeSchema.Of(typeof(Dictionary<TKey, int>), options).ToJsonString(), JsonWhitespace.None));
            Assert.IsTrue(text.Accepts("{}"));
            foreach (string name in accepted.Split('|'))
            {
                string json = $"{{\"{name}\":1}}";
                Assert.IsTrue(text.Accepts(json), json);
                Assert.HasCount(1, JsonSerializer.Deserialize<Dictionary<TKey, int>>(json, options)!);
            }

            foreach (string name in refused.Split('|', StringSplitOptions.RemoveEmptyEntries)) Assert.IsFalse(text.Accepts($"{{\"{name}\":1}}"), name);
        }
    }

    [TestMethod]
    public void Flags_that_are_written_by_name_are_names()
    {
        var named = new JsonSerializerOptions { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };
        Same("""{"enum":["none","read","write","both"]}""", TypeSchema.Of(typeof(Access), named).ToJsonString());
        Same("""{"enum":["none","read","write","both",null]}""", TypeSchema.Of(typeof(Access?), named).ToJsonString());
        foreach (string name in new[] { "none", "read", "write", "both" }) Assert.IsTrue(Enum.IsDefined(JsonSerializer.Deserialize<Access>($"\"{name}\"", named)));
        Same("""{"enum":["None","Read","Write","Both"]}""", TypeSchema.Of(typeof(Holder), JsonSerializerOptions.Default)["properties"]!["Access"]!.ToJsonString());
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

    [Flags]
    private enum Access
    {
        None = 0,
        Read = 1,
        Write = 2,
        Both = 3,
    }

    private sealed record Holder(Dictionary<Named, bool>? Map, [property: JsonConverter(typeof(JsonStringEnumConverter<Access>))] Access Access);

    private sealed record Point(byte X, string Label, string? More);

    private sealed record Chain(byte Value, Chain? Next);
}

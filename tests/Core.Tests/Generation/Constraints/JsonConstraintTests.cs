using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class JsonConstraintTests
{
    public static IEnumerable<object[]> Schemas => ConstraintSamples.Schemas.Select(static (schema, i) => new object[] { i, schema });

    [TestMethod]
    [DynamicData(nameof(Schemas))]
    [TestCategory("Long")]
    public void What_an_untrained_model_writes_is_valid_by_JsonSchema_Net(int index, string schema)
    {
        var judge = Json.Schema.JsonSchema.FromText(schema);
        foreach (JsonWhitespace whitespace in Enum.GetValues<JsonWhitespace>())
        {
            foreach (string text in ConstrainedTexts.Write(TextConstraint.JsonSchema(schema, whitespace), count: 4, seed: index))
            {
                using JsonDocument document = JsonDocument.Parse(text);
                Assert.IsTrue(judge.Evaluate(document.RootElement, new() { RequireFormatValidation = true }).IsValid, text);
            }
        }
    }

    [TestMethod]
    [DataRow("""{"type":"integer","minimum":-12,"maximum":105}""", "-12|-1|0|7|99|100|105", "-13|106|-0|00|07|1.0|1e2|110|+1|")]
    [DataRow("""{"type":"integer","exclusiveMinimum":9,"exclusiveMaximum":12}""", "10|11", "9|12|1")]
    [DataRow("""{"type":"integer","minimum":0.5,"maximum":3.5}""", "1|2|3", "0|4")]
    [DataRow("""{"type":"integer","maximum":-100}""", "-100|-101|-999|-123456", "-99|0|100")]
    [DataRow("""{"type":"number","minimum":0.25,"maximum":1}""", "0.25|0.250|0.3|0.999|1|1.0|1.000", "0.2|0.249|0|1.0001|.5|1.|2")]
    [DataRow("""{"type":"number","exclusiveMinimum":0,"maximum":10}""", "0.1|0.0001|9.99|10|10.00", "0|0.0|-0|-1|10.01")]
    [DataRow("""{"type":"number","minimum":-1.5,"maximum":1.5}""", "-1.5|-1.49|-0.1|0|1.5|1.50", "-1.51|1.51|-2|-0|-0.0")]
    [DataRow("""{"type":"number","multipleOf":0.01,"minimum":0}""", "0|1.5|12.34", "0.001|-1")]
    [DataRow("""{"type":"string","minLength":2,"maxLength":3}""", "\"ab\"|\"äöü\"|\"\\n\\\"\\\\\"|\"😀😀\"|\"漢字\"", "\"a\"|\"abcd\"|\"😀\"|ab|\"a\n\"|\"\"")]
    [DataRow("""{"type":"string","pattern":"[0-9]"}""", "\"1\"|\"a1\"|\"1\\n\"|\"ä9ä\"", "\"\"|\"a\"")]
    [DataRow("""{"type":"string","pattern":"^[\"\\\\/]+$"}""", "\"\\\"\"|\"\\\\/\"", "\"\"\"|\"\\\"|\"a\"")]
    [DataRow("""{"enum":["a","b\"c",1.50,null,{"x":[]}]}""", "\"a\"|\"b\\\"c\"|1.50|null|{\"x\":[]}", "\"b\"|1.5|{}")]
    [DataRow("""{"enum":["a",1,"bb",2],"type":"string","maxLength":1}""", "\"a\"", "1|2|\"bb\"")]
    [DataRow("""{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},"required":["b"]}""", """{"b":2}|{"a":1,"b":2}|{"b":2,"c":3}|{"a":1,"b":2,"c":3}""", """{}|{"a":1}|{"b":2,"a":1}|{"b":2,}|{"b":2,"d":4}|{,"b":2}""")]
    [DataRow("""{"type":"object","properties":{"a":{"const":1}},"additionalProperties":{"const":2}}""", """{}|{"a":1}|{"b":2}|{"a":1,"b":2,"ab":2}|{"":2}""", """{"a":2}|{"b":1}|{"a":1,"a":2}""")]
    [DataRow("""{"type":"object","additionalProperties":false}""", "{}", """{"a":1}""")]
    [DataRow("""{"type":"object"}""", """{}|{"a":[1,{"b":null}]}""", "[]|1")]
    [DataRow("""{"type":"array","items":{"const":1},"minItems":2,"maxItems":3}""", "[1,1]|[1,1,1]", "[]|[1]|[1,1,1,1]|[1,1,]|[,1,1]")]
    [DataRow("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1}""", "[1]|[1,2]|[1,2,3,3]", "[]|[2]|[1,3]")]
    [DataRow("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":4,"maxItems":4}""", "[1,2,3,3]", "[1,2]|[1,2,3]|[1,2,3,3,3]")]
    [DataRow("true", """1|"a"|[{"a":null}]|true|-1.5""", "|a|01")]
    [DataRow("""{"type":"string","format":"date"}""", "\"2024-02-28\"|\"1999-12-31\"|\"2020-04-30\"", "\"2024-02-30\"|\"2020-04-31\"|\"2020-13-01\"|\"2020-1-1\"")]
    [DataRow("""{"$defs":{"n":{"anyOf":[{"const":0},{"type":"array","items":{"$ref":"#/$defs/n"},"minItems":1,"maxItems":1}]}},"$ref":"#/$defs/n"}""", "0|[0]|[[[[0]]]]", "[]|[[0]|[0,0]")]
    [DataRow("""{"definitions":{"a/b":{"const":5}},"allOf":[{"$ref":"#/definitions/a~1b"}]}""", "5", "4")]
    public void A_schema_allows_these_texts_and_not_those(string schema, string allowed, string refused)
    {
        Func<string, bool> allows = ConstrainedTexts.Allowed(TextConstraint.JsonSchema(schema));
        foreach (string text in allowed.Split('|')) Assert.IsTrue(allows(text), text);
        foreach (string text in refused.Split('|')) Assert.IsFalse(allows(text), text);
    }

    [TestMethod]
    public void Integers_within_bounds_are_exactly_those_between_them()
    {
        var random = new Random(4);
        for (int round = 0; round < 12; round++)
        {
            int low = random.Next(-1_300, 1_300), high = low + random.Next(0, 1_500);
            Func<string, bool> allows = ConstrainedTexts.Allowed(TextConstraint.JsonSchema($$"""{"type":"integer","minimum":{{low}},"maximum":{{high}}}"""));
            foreach (int value in Enumerable.Range(0, 60).Select(_ => random.Next(-3_000, 3_000)).Concat([low - 1, low, high, high + 1]))
                Assert.AreEqual(value >= low && value <= high, allows(value.ToString(CultureInfo.InvariantCulture)), $"{low} <= {value} <= {high}");
        }
    }

    [TestMethod]
    public void White_space_is_written_where_it_is_allowed_and_nowhere_else()
    {
        TextConstraint constraint = TextConstraint.JsonSchema("""{"type":"object","properties":{"a":{"type":"array","items":{"const":"x y"}}},"required":["a"]}""", JsonWhitespace.Optional);
        foreach (string text in new[] { """{"a":["x y"]}""", """{ "a": [ "x y", "x y" ] }""", "{\n  \"a\": [\n    \"x y\"\n  ]\n}" }) Assert.IsTrue(ConstrainedTexts.Allows(constraint, text), text);
        foreach (string text in new[] { """ {"a":[]}""", """{"a" :[]}""", """{  "a":[]}""", """{"a":["x  y"]}""" }) Assert.IsFalse(ConstrainedTexts.Allows(constraint, text), text);
        Assert.IsFalse(ConstrainedTexts.Allows(constraint with { Whitespace = JsonWhitespace.None }, """{ "a":[]}"""));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void What_is_written_for_a_type_is_deserialized_as_that_type()
    {
        foreach (string text in ConstrainedTexts.Write(TextConstraint.Json<Everything>(), count: 25, maxNewTokens: 4_000))
        {
            Everything value = JsonSerializer.Deserialize<Everything>(text)!;
            Assert.IsTrue(Enum.IsDefined(value.Day) && Enum.IsDefined(value.Named) && (value.Maybe is null || Enum.IsDefined(value.Maybe.Value)), text);
            Assert.IsNotNull(value.Inner);
        }

        Assert.IsTrue(ConstrainedTexts.Allows(TextConstraint.Json<byte[]>(), JsonSerializer.Serialize(new byte[] { 1, 2, 250 })));
        Assert.IsFalse(ConstrainedTexts.Allows(TextConstraint.Json<byte[]>(), "\"AQ\""));
        var web = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        foreach (string text in ConstrainedTexts.Write(TextConstraint.Json<Point>(web), count: 5))
        {
            Assert.IsNotNull(JsonSerializer.Deserialize<Point>(text, web));
            Assert.IsTrue(JsonNode.Parse(text)!["x"]!.GetValueKind() == JsonValueKind.Number, text);
        }
    }

    [TestMethod]
    [DataRow("""{"type":"object","properties":{"a":{"not":{}}}}""", ConstraintProblem.Unsupported, "not", "#/properties/a")]
    [DataRow("""{"type":"array","uniqueItems":true}""", ConstraintProblem.Unsupported, "uniqueItems", "#")]
    [DataRow("""{"type":"number","multipleOf":3}""", ConstraintProblem.Unsupported, "multipleOf", "#")]
    [DataRow("""{"type":"string","format":"iri"}""", ConstraintProblem.Unsupported, "format", "#")]
    [DataRow("""{"type":"string","pattern":"(?=a)b"}""", ConstraintProblem.Unsupported, "lookahead", "#")]
    [DataRow("""{"type":"array","items":[{}]}""", ConstraintProblem.Unsupported, "items", "#")]
    [DataRow("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", ConstraintProblem.Unsupported, "oneOf", "#")]
    [DataRow("""{"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":2}}}]}""", ConstraintProblem.Unsupported, "oneOf", "#")]
    [DataRow("""{"$ref":"https://example.org/schema"}""", ConstraintProblem.Unsupported, "$ref", "#")]
    [DataRow("""{"$ref":"#/$defs/a"}""", ConstraintProblem.UndefinedReference, "$ref", "#")]
    [DataRow("""{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}""", ConstraintProblem.EndlessRecursion, null, "#")]
    [DataRow("""{"$ref":"#"}""", ConstraintProblem.EndlessRecursion, "$ref", "#")]
    [DataRow("""{"type":"array","items":{"$ref":"#"},"minItems":1}""", ConstraintProblem.EndlessRecursion, null, "#")]
    [DataRow("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", ConstraintProblem.Contradictory, null, "#/allOf/0")]
    [DataRow("""{"type":"integer","minimum":5,"maximum":4}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"integer","exclusiveMinimum":4,"exclusiveMaximum":5}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"string","minLength":5,"maxLength":4}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"string","pattern":"^abc$","maxLength":2}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"enum":[1,2],"type":"string"}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"object","properties":{"a":false},"required":["a"]}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"array","items":false,"minItems":1}""", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("false", ConstraintProblem.Contradictory, null, "#")]
    [DataRow("""{"type":"text"}""", ConstraintProblem.Syntax, "type", "#")]
    [DataRow("""{"type":"string","minLength":-1}""", ConstraintProblem.Syntax, "minLength", "#")]
    [DataRow("""{"type":"string",}""", ConstraintProblem.Syntax, null, "the schema")]
    [DataRow("[]", ConstraintProblem.Syntax, null, "#")]
    [DataRow("""{"type":"array","maxItems":2000000,"items":{"type":"integer"}}""", ConstraintProblem.TooLarge, "maxItems", "#")]
    public void A_schema_that_can_not_be_used_is_refused_by_name_and_place(string schema, ConstraintProblem problem, string? keyword, string location)
    {
        var error = Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.JsonSchema(schema).Compile(GrammarText.Bytes()));
        Assert.AreEqual(problem, error.Problem, error.Message);
        Assert.AreEqual(keyword, error.Keyword, error.Message);
        if (problem != ConstraintProblem.TooLarge) Assert.AreEqual(location, error.Location, error.Message);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Text_that_ends_at_the_limit_may_be_a_beginning_only()
    {
        (string text, FinishReason reason) = ConstrainedTexts.Generate(TextConstraint.JsonSchema("""{"type":"string","minLength":100}"""), 1, maxNewTokens: 5)[0];
        Assert.AreEqual(FinishReason.MaxNewTokens, reason);
        Assert.Throws<JsonException>(() => JsonDocument.Parse(text), text);
    }

    private sealed record Point(int X, double Y);

    private sealed record Inner(char Letter, Inner? More);

    private sealed class Everything
    {
        public required byte B { get; init; }

        public required sbyte S { get; init; }

        public required short H { get; init; }

        public required ulong U { get; init; }

        public required int? N { get; init; }

        public required float F { get; init; }

        public required decimal M { get; init; }

        public required bool T { get; init; }

        public required char C { get; init; }

        public required DayOfWeek Day { get; init; }

        [JsonConverter(typeof(JsonStringEnumConverter<DayOfWeek>))]
        public required DayOfWeek Named { get; init; }

        public required ConsoleKey? Maybe { get; init; }

        public required DateTime When { get; init; }

        public required DateTimeOffset At { get; init; }

        public required DateOnly Date { get; init; }

        public required TimeOnly Time { get; init; }

        public required TimeSpan Span { get; init; }

        public required Guid Id { get; init; }

        public required Version Version { get; init; }

        public required Dictionary<string, bool> Flags { get; init; }

        public required int[] Numbers { get; init; }

        public required Inner Inner { get; init; }
    }
}

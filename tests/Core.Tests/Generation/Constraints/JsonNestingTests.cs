using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>System.Text.Json, as other readers, takes 64 objects and lists within each other: what is written has no more, and can be finished wherever it stands.</summary>
[TestClass]
public sealed class JsonNestingTests
{
    private const string Tree = """{"type":"object","properties":{"v":{"type":"boolean"},"c":{"type":"array","items":{"$ref":"#"}}},"required":["v","c"],"additionalProperties":false}""";

    [TestMethod]
    public void A_free_value_is_nested_as_deep_as_it_can_be_read()
    {
        var text = new GrammarText(JsonSchemaReader.Read("{}", JsonWhitespace.None));
        foreach ((string open, string close) in new[] { ("[", "]"), ("{\"a\":", "}"), ("[1,{\"é\":", "}]") })
        {
            int levels = open.StartsWith("[1", StringComparison.Ordinal) ? 32 : 64;
            string deepest = Nested(open, "1", close, levels);
            JsonElement.Parse(deepest);
            Assert.IsTrue(text.Accepts(deepest), open);
            Assert.IsFalse(text.Begins(Nested(open, open[..1], "", levels)), open);
            Assert.Throws<JsonException>(() => JsonElement.Parse(Nested(open, "1", close, levels + 1)).ToString());
        }

        // Beside each other there may be as many as one likes.
        Assert.IsTrue(text.Accepts($"[{string.Join(',', Enumerable.Repeat("[]", 300))}]"));
        Assert.IsTrue(text.Accepts($"{{{string.Join(',', Enumerable.Range(0, 300).Select(static i => $"\"{i}\":{{}}"))}}}"));
        Assert.IsTrue(text.Accepts("\"" + new string('[', 300) + "\""));
    }

    // Of a tree each level has two: the object and its list. 32 levels end with an object whose list, the 64th, is empty.
    [TestMethod]
    [DataRow(JsonWhitespace.None)]
    [DataRow(JsonWhitespace.Optional)]
    public void A_type_in_itself_is_nested_as_deep_as_it_can_be_read(JsonWhitespace whitespace)
    {
        var text = new GrammarText(JsonSchemaReader.Read(Tree, whitespace));
        string deepest = Nested("{\"v\":true,\"c\":[", "", "]}", 32);
        JsonElement.Parse(deepest);
        Assert.IsTrue(text.Accepts(deepest));
        Assert.IsFalse(text.Begins(Nested("{\"v\":true,\"c\":[", "{", "", 32)), "its object would be the 65th");
        Assert.IsTrue(text.Accepts($"{{\"v\":true,\"c\":[{string.Join(',', Enumerable.Repeat("{\"v\":false,\"c\":[]}", 200))}]}}"));
        if (whitespace == JsonWhitespace.Optional) Assert.IsTrue(text.Accepts("{ \"v\": true, \"c\": [ ] }"));
    }

    [TestMethod]
    public void Parts_that_do_not_lead_into_themselves_count_too()
    {
        // 40 objects around a free value: 24 are left for it.
        string defs = string.Join(',', Enumerable.Range(0, 40).Select(static i => $"\"d{i}\":{{\"properties\":{{\"a\":{(i == 39 ? "{}" : $"{{\"$ref\":\"#/$defs/d{i + 1}\"}}")}}},\"required\":[\"a\"],\"additionalProperties\":false}}"));
        var text = new GrammarText(JsonSchemaReader.Read("""{"$ref":"#/$defs/d0","$defs":{""" + defs + "}}", JsonWhitespace.None));
        Assert.IsTrue(text.Accepts(Nested("{\"a\":", Nested("[", "", "]", 24), "}", 40)));
        Assert.IsFalse(text.Begins(Nested("{\"a\":", Nested("[", "", "", 25), "", 40)));
    }

    [TestMethod]
    public void What_can_only_be_deeper_is_refused()
    {
        static string Chain(int levels) => """{"$ref":"#/$defs/d0","$defs":{""" + string.Join(',', Enumerable.Range(0, levels).Select(i =>
            $"\"d{i}\":{(i == levels - 1 ? "{\"type\":\"null\"}" : $"{{\"type\":\"array\",\"minItems\":1,\"items\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}}")}")) + "}}";
        Assert.IsTrue(new GrammarText(JsonSchemaReader.Read(Chain(65), JsonWhitespace.None)).Accepts(Nested("[", "null", "]", 64)));
        GrammarText.Refuses(() => JsonSchemaReader.Read(Chain(66), JsonWhitespace.None), ConstraintProblem.TooLarge, "#/$defs/d0", "Whatever satisfies it is nested more than 64 deep, which is not read. Make it flatter.");

        // What has no end at all is told as that.
        var error = Assert.ThrowsExactly<ConstraintException>(static () => new GrammarText(JsonSchemaReader.Read("""{"type":"array","minItems":1,"items":{"$ref":"#"}}""", JsonWhitespace.None)));
        Assert.AreEqual(ConstraintProblem.EndlessRecursion, error.Problem, error.Message);
    }

    [TestMethod]
    public void A_schema_that_is_nested_too_deep_is_told_as_such()
    {
        Assert.IsNotNull(JsonSchemaReader.Read(Nested("{\"items\":", "{}", "}", 63), JsonWhitespace.None));
        GrammarText.Refuses(() => JsonSchemaReader.Read(Nested("{\"items\":", "{}", "}", 64), JsonWhitespace.None), ConstraintProblem.TooLarge, "the schema", "It is nested 65 deep; at most 64 objects and lists within each other are read. Put the inner schemas into '$defs' and refer to them.");
        GrammarText.Refuses(() => JsonSchemaReader.Read(Nested("{\"items\":", "{}", "}", 1_000), JsonWhitespace.None), ConstraintProblem.TooLarge, "the schema", "It is nested 1001 deep; at most 64 objects and lists within each other are read. Put the inner schemas into '$defs' and refer to them.");
        StringAssert.StartsWith(Assert.ThrowsExactly<ConstraintException>(() => JsonSchemaReader.Read(Nested("{\"items\":", "", "", 60), JsonWhitespace.None)).Message, "The constraint can't be used, at the schema: It is not JSON:");
    }

    private static string Nested(string open, string inner, string close, int count) => string.Concat(Enumerable.Repeat(open, count)) + inner + string.Concat(Enumerable.Repeat(close, count));
}

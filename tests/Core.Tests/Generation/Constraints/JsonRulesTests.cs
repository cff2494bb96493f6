using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class JsonRulesTests
{
    [TestMethod]
    public void A_free_string_has_all_characters_in_their_shortest_form()
    {
        GrammarText text = Of(static json => json.String);
        foreach (string one in (string[])["", "a", "é漢😀", "\"", "\\", "/", "\b\t\n\f\r", "\u007F", "\u2028", " \uFFFF "]) Assert.IsTrue(text.Accepts(JsonRules.Quote(one)), one);
        foreach (string one in (string[])["", "\"", "a", "\"a", "a\"", "\"a\"b", "\"\"\"", "\"\\\"", "\"\\/\"", "\"\\u0041\"", "\"\\u0001\"", "\"\\u000A\"", "\"\n\"", "\"\0\"", "\"\u001F\"", "\"\\a\"", "'a'"])
            Assert.IsFalse(text.Accepts(one), one);
    }

    [TestMethod]
    public void A_character_is_escaped_where_it_must_be()
    {
        foreach (int c in Enumerable.Range(0, 0x23).Concat(['/', '\\', 0x7F, 'é', 0x1F600]))
        {
            string expected = c switch { '"' => "\\\"", '\\' => "\\\\", 8 => "\\b", 9 => "\\t", 10 => "\\n", 12 => "\\f", 13 => "\\r", < 0x20 => $"\\u{c:X4}", _ => char.ConvertFromUtf32(c) };
            GrammarText text = Of(json => JsonRules.Quoted(json.Written(CodePointSet.Of(c))));
            Assert.IsTrue(text.Accepts($"\"{expected}\""), expected);
            Assert.AreEqual(char.ConvertFromUtf32(c), JsonSerializer.Deserialize<string>($"\"{expected}\""));
            if (c < 0x20) Assert.IsFalse(text.Accepts($"\"{(char)c}\""), expected);
        }

        // Some of a set are, some are not.
        GrammarText some = Of(static json => JsonRules.Quoted(json.Written(CodePointSet.OfCharacters("a\"\n\u0001é"))));
        foreach (string one in (string[])["a", "\\\"", "\\n", "\\u0001", "é"]) Assert.IsTrue(some.Accepts($"\"{one}\""), one);
        foreach (string one in (string[])["b", "\"", "\\t", "\\u0002", "\\u000A", "\\\\", "", "aa"]) Assert.IsFalse(some.Accepts($"\"{one}\""), one);

        // Sets with the same escapes share their rule, and others do not.
        var grammar = new Grammar();
        var rules = new JsonRules(grammar, JsonWhitespace.None);
        rules.Written(CodePointSet.OfCharacters("a\n"));
        rules.Written(CodePointSet.OfCharacters("b\n"));
        Assert.HasCount(1, grammar.Rules);
        Assert.AreEqual("escape", grammar.Rules[0].Name);
        rules.Written(CodePointSet.OfCharacters("b\t"));
        Assert.HasCount(2, grammar.Rules);
    }

    [TestMethod]
    public void A_string_has_so_many_characters()
    {
        GrammarText text = Of(static json => json.StringOf(1, 3));
        foreach (string one in (string[])["\"a\"", "\"abc\"", "\"😀é\\n\"", "\"\\\"\\\\\""]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])["\"\"", "\"abcd\"", "\"\\u0001\""]) Assert.IsFalse(text.Accepts(one), one);
        text = Of(static json => json.StringOf(0, 1));
        Assert.IsTrue(text.Accepts("\"\"") && text.Accepts("\"a\"") && !text.Accepts("\"aa\""));
        text = Of(static json => json.StringOf(2, null));
        Assert.IsTrue(text.Accepts("\"aa\"") && text.Accepts("\"aaaaaaaaa\"") && !text.Accepts("\"a\""));

        // Without limits it is any string, one rule for all.
        var grammar = new Grammar();
        var rules = new JsonRules(grammar, JsonWhitespace.None);
        Assert.AreEqual(rules.String, rules.StringOf(0, null));
        Assert.AreEqual(rules.String, rules.String);
        Assert.AreEqual(1, grammar.Rules.Count(static rule => rule.Name == "string"));
    }

    [TestMethod]
    public void A_value_is_of_any_kind_and_as_deep_as_it_likes()
    {
        GrammarText text = Of(static json => json.Value);
        foreach (string one in (string[])["1", "-1.5", "999999999999999", "-999999999999999", "\"a\"", "true", "false", "null", "[]", "{}", "[1]", "[1,\"a\",null]", "{\"a\":1}", "{\"\":[],\"b\":{\"c\":[[{}]]}}", "[[],[[]]]"]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])["", "tru", "[1,]", "[,1]", "[1", "{\"a\"}", "{a:1}", "{\"a\":1,}", "{\"a\":}", "{,}", "[1 ,2]", "1e5", "nulll", "TRUE", " 1", "[}", "{\"a\":1]"]) Assert.IsFalse(text.Accepts(one), one);
        var grammar = new Grammar();
        var rules = new JsonRules(grammar, JsonWhitespace.None);
        Assert.AreEqual(rules.Value, rules.Value);
        Assert.AreEqual(1, grammar.Rules.Count(static rule => rule.Name == "value"));
    }

    [TestMethod]
    public void White_space_stands_inside_brackets_and_behind_commas_and_colons()
    {
        GrammarText text = Of(static json => json.Value, JsonWhitespace.Optional);
        foreach (string one in (string[])["[ 1, 2 ]", "[\n1,\n 2\n]", "{ \"a\": 1, \"b\":\n2 }", "{ }", "[ ]", "[1,2]", "[\n" + new string(' ', 20) + "1]"]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])["[  1]", "[1 , 2]", "{\"a\" :1}", " 1", "1 ", "[\t1]", "[\r1]", "[\n\n1]", "[ \n1]", "[\n" + new string(' ', 21) + "1]"]) Assert.IsFalse(text.Accepts(one), one);
        Assert.AreEqual(Expression.Empty, new JsonRules(new Grammar(), JsonWhitespace.None).Space);
        var grammar = new Grammar();
        _ = new JsonRules(grammar, JsonWhitespace.Optional);
        Assert.AreEqual("white space", grammar.Rules[0].Name);
        _ = new JsonRules(grammar = new Grammar(), JsonWhitespace.None);
        Assert.IsEmpty(grammar.Rules);

        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new JsonRules(new Grammar(), (JsonWhitespace)2));
        StringAssert.StartsWith(error.Message, "2 is none of JsonWhitespace's values; choose None or Optional.");
        Assert.AreEqual("whitespace", error.ParamName);
    }

    [TestMethod]
    public void A_free_name_is_any_but_those_that_are_taken_of_up_to_64_characters()
    {
        GrammarText text = Of(static json => json.FreeName(["a", "abc", "b\"", "é", "a"]));
        foreach (string one in (string[])["", "ab", "ac", "abcd", "abd", "b", "b\\\"c", "bc", "éé", "c", "\\n", "\\\"", "aa", "è"]) Assert.IsTrue(text.Accepts($"\"{one}\""), one);
        foreach (string one in (string[])["a", "abc", "b\\\"", "é", "\\u0001", "a\\u0001"]) Assert.IsFalse(text.Accepts($"\"{one}\""), one);

        // The characters that a taken name begins with count.
        foreach (string begin in (string[])["", "a", "ab", "abc", "c"])
        {
            Assert.IsTrue(text.Accepts($"\"{begin}{new string('x', 64 - begin.Length)}\""), begin);
            Assert.IsFalse(text.Accepts($"\"{begin}{new string('x', 65 - begin.Length)}\""), begin);
        }

        // Taken names of 64 characters and more.
        text = Of(static json => json.FreeName([new string('x', 64), new string('y', 70)]));
        Assert.IsFalse(text.Accepts($"\"{new string('x', 64)}\""));
        foreach (string one in (string[])[new string('x', 63), new string('y', 64), new string('x', 63) + "y"]) Assert.IsTrue(text.Accepts($"\"{one}\""), one);
        foreach (string one in (string[])[new string('x', 65), new string('y', 65), new string('y', 70), new string('y', 71)]) Assert.IsFalse(text.Accepts($"\"{one}\""), one);
        text = Of(static json => json.FreeName([]));
        Assert.IsTrue(text.Accepts("\"\"") && text.Accepts("\"abc\"") && !text.Accepts($"\"{new string('x', 65)}\""));
        text = Of(static json => json.FreeName([""]));
        Assert.IsTrue(text.Accepts("\"a\"") && !text.Accepts("\"\""));
    }

    [TestMethod]
    public void A_value_of_a_schema_is_written_as_it_stands_there_without_white_space()
    {
        using JsonDocument document = JsonDocument.Parse("""[1.50, "é<+\u0041\n", {"a" : [true, null]}, 1e400]""");
        Assert.AreEqual(Expression.Of("""[1.50,"é<+A\n",{"a":[true,null]},1e400]"""), JsonRules.Literal(document.RootElement));
        Assert.AreEqual(Expression.Of("\"a<é\\\"\\\\\""), JsonRules.Literal("a<é\"\\"));
    }

    private static GrammarText Of(Func<JsonRules, Expression> make, JsonWhitespace whitespace = JsonWhitespace.None)
    {
        var grammar = new Grammar();
        grammar.Root = grammar.Declare("root");
        grammar.Define(grammar.Root, make(new JsonRules(grammar, whitespace)));
        return new GrammarText(grammar);
    }
}

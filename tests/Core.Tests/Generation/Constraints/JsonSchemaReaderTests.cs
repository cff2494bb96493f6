using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class JsonSchemaReaderTests
{
    // Texts are separated by '|'; none holds one.
    [TestMethod]
    [DataRow("""{"type":"integer"}""", "0|-7|12", "1.0|1.5|\"1\"|null")]
    [DataRow("""{"type":"number"}""", "0|-7|1.0|1.5", "\"1\"|null|1e5")]
    [DataRow("""{"type":["integer","number"]}""", "1|1.5", "null")]
    [DataRow("""{"type":["integer","boolean"]}""", "1|true|false", "1.5|null")]
    [DataRow("""{"type":"null"}""", "null", "0|false|")]
    [DataRow("""{"type":"boolean"}""", "true|false", "null|0|tru")]
    [DataRow("""{"allOf":[{"type":"number"},{"type":"integer"}]}""", "1|-2", "1.5")]
    [DataRow("""{"allOf":[{"type":"integer"},{"type":"number"}]}""", "1|-2", "1.5")]
    [DataRow("""{"allOf":[{"type":["integer","string"]},{"type":["number","null"]}]}""", "1", "1.5|null|\"a\"")]
    [DataRow("""{"allOf":[{"type":["number","string"]},{"type":["integer","null"]}]}""", "1", "1.5|null|\"a\"")]
    [DataRow("""{"allOf":[{"type":["number","string"]},{"type":["string","number"]}]}""", "1|1.5|\"a\"", "null")]
    [DataRow("""{"allOf":[{"type":["integer","null"]},{"type":["number","integer"]}]}""", "1", "1.5|null")]
    public void Types_are_those_that_all_allow(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    // Where no type is named the other keywords tell it.
    [TestMethod]
    [DataRow("""{"properties":{"a":{"const":1}}}""", "{}|{\"a\":1}", "1|[]|\"a\"|null|{\"b\":1}")]
    [DataRow("""{"required":["a"]}""", "{\"a\":1}|{\"a\":[],\"b\":2}", "{}|1|[]|\"a\"|{\"b\":2}")]
    [DataRow("""{"additionalProperties":false}""", "{}", "1|{\"a\":1}")]
    [DataRow("""{"propertyNames":{"pattern":"^[a-c]{2}$"},"additionalProperties":{"const":1}}""", "{}|{\"ab\":1}|{\"ab\":1,\"cc\":1}", "1|{\"a\":1}|{\"ad\":1}|{\"ab\":2}")]
    [DataRow("""{"propertyNames":{"enum":["x","y\"",1]},"additionalProperties":{"const":1}}""", "{\"x\":1}|{\"y\\\"\":1}", "{\"z\":1}|{1:1}")]
    [DataRow("""{"propertyNames":{"maxLength":1},"allOf":[{"propertyNames":{"$ref":"#/$defs/n"}}],"additionalProperties":{"const":1},"$defs":{"n":{"pattern":"a"}}}""", "{\"a\":1}", "{\"b\":1}|{\"aa\":1}")]
    [DataRow("""{"propertyNames":false}""", "{}", "{\"a\":1}")]
    [DataRow("""{"minProperties":1}""", "{\"a\":1}|{\"a\":1,\"b\":2}", "{}|1")]
    [DataRow("""{"maxProperties":1}""", "{\"a\":1}|{}", "{\"a\":1,\"b\":2}|1")]
    [DataRow("""{"items":{"const":1}}""", "[]|[1]|[1,1]", "1|{}|[2]")]
    [DataRow("""{"prefixItems":[{"const":1}]}""", "[]|[1]|[1,2]|[1,null,3]", "1|{}|[2]")]
    [DataRow("""{"minItems":1}""", "[1]|[1,\"a\"]", "[]|1|{}")]
    [DataRow("""{"maxItems":1}""", "[]|[1]", "[1,1]|1|{}")]
    [DataRow("""{"minLength":1}""", "\"a\"", "\"\"|1|{}")]
    [DataRow("""{"maxLength":1}""", "\"a\"|\"\"", "\"aa\"|1|{}")]
    [DataRow("""{"pattern":"a"}""", "\"a\"|\"bab\"", "\"b\"|1|{}")]
    [DataRow("""{"format":"date"}""", "\"2024-01-01\"", "\"b\"|1|{}")]
    [DataRow("""{"minimum":1}""", "1|1.5", "0|0.5|\"a\"|null")]
    [DataRow("""{"maximum":1}""", "1|0.5|-3", "2|1.5|\"a\"|null")]
    [DataRow("""{"exclusiveMinimum":1}""", "1.5|2", "1|1.0|\"a\"|null")]
    [DataRow("""{"exclusiveMaximum":1}""", "0.5|0", "1|1.0|\"a\"|null")]
    [DataRow("""{"multipleOf":0.1}""", "0.5|0|1.0", "0.55|\"a\"|null")]
    [DataRow("""{"minLength":1,"minimum":5}""", "\"a\"|5", "\"\"|4|null|[]")]
    [DataRow("""{"properties":{},"items":true,"pattern":"^a$","maximum":1}""", "{}|[]|\"a\"|1", "\"b\"|2|null|true")]
    [DataRow("{}", "1|\"a\"|null|true|[1]|{\"a\":1}", "|a")]
    [DataRow("""{"$schema":"a","$id":"b","$comment":"c","$defs":{},"definitions":{},"title":"d","description":"e","default":1,"examples":[2],"example":3,"deprecated":true,"readOnly":true,"writeOnly":true,"contentMediaType":"f","contentEncoding":"g","x-h":{}}""", "1|\"a\"|null", "|a")]
    [DataRow("""{"title":"d","const":5}""", "5", "1")]
    public void What_a_schema_is_about_is_told_by_its_keywords(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [TestMethod]
    [DataRow("""{"enum":[1,"a",true,null,[1],{"a":1}],"type":"string"}""", "\"a\"", "1|true|null|[1]")]
    [DataRow("""{"enum":[1,"a",true,null,[1],{"a":1}],"type":["boolean","null"]}""", "true|null", "1|\"a\"")]
    [DataRow("""{"enum":[1,"a",true,false,null,[1],{"a":1}],"type":["array","boolean"]}""", "[1]|true|false", "{\"a\":1}|1|null")]
    [DataRow("""{"enum":[1,"a",true,null,[1],{"a":1}],"type":"object"}""", "{\"a\":1}", "[1]|1")]
    [DataRow("""{"enum":[1,1.0,1.5,1e400],"type":"integer"}""", "1|1.0", "1.5|1e400")]
    [DataRow("""{"enum":[1,1.0,1.5,"a"],"type":"number"}""", "1|1.0|1.5", "\"a\"")]
    [DataRow("""{"enum":["a\n","a"],"pattern":"^a$"}""", "\"a\"", "\"a\\n\"")]
    [DataRow("""{"enum":["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!","aa"],"pattern":"^(a+)+$"}""", "\"aa\"", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"")]
    [DataRow("""{"enum":[1,2,3],"const":2}""", "2", "1|3")]
    [DataRow("""{"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]}]}""", "2|3", "1|4")]
    [DataRow("""{"allOf":[{"enum":[1,2,3]},{"const":3}]}""", "3", "1|2")]
    [DataRow("""{"allOf":[{"enum":[1,"a",2]},{"type":"integer","minimum":2}]}""", "2", "1|\"a\"|3")]
    [DataRow("""{"enum":[1,2,3,4,5],"minimum":2,"maximum":4}""", "2|3|4", "1|5")]
    [DataRow("""{"enum":[1,2,3,4,5],"exclusiveMinimum":2,"exclusiveMaximum":4}""", "3", "1|2|4|5")]
    [DataRow("""{"enum":[1,2,3,1e400],"minimum":2}""", "2|3", "1|1e400")]
    [DataRow("""{"enum":[1,2,3,-1e400],"maximum":2}""", "1|2", "3|-1e400")]
    [DataRow("""{"enum":[0.1,0.25,0.5,1],"multipleOf":0.25}""", "0.25|0.5|1", "0.1")]
    [DataRow("""{"enum":["a",1,1e400]}""", "\"a\"|1|1e400", "2")]
    [DataRow("""{"enum":["","a","ab","😀😀","abc"],"minLength":1,"maxLength":2}""", "\"a\"|\"ab\"|\"😀😀\"", "\"\"|\"abc\"")]
    [DataRow("""{"enum":["","a","ab"],"minLength":1}""", "\"a\"|\"ab\"", "\"\"")]
    [DataRow("""{"enum":["","a","ab"],"maxLength":1}""", "\"a\"|\"\"", "\"ab\"")]
    [DataRow("""{"enum":["a","ba","c"],"pattern":"^a"}""", "\"a\"", "\"ba\"|\"c\"")]
    [DataRow("""{"enum":[true,null,1],"minimum":1,"minLength":1}""", "true|null|1", "false")]
    public void Listed_values_are_those_that_all_allow(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [TestMethod]
    [DataRow("""{"$ref":"#/$defs/list/1","$defs":{"list":[{"const":1},{"const":2}]}}""", "2", "1")]
    [DataRow("""{"$ref":"#/$defs/list/0","$defs":{"list":[{"const":1},{"const":2}]}}""", "1", "2")]
    [DataRow("""{"$ref":"#/$defs/a~1b~0c","$defs":{"a/b~c":{"const":1}}}""", "1", "2")]
    [DataRow("""{"$ref":"#/$defs/a~01","$defs":{"a~1":{"const":1},"a/":{"const":2}}}""", "1", "2")]
    [DataRow("""{"$ref":"#/%24defs/a%20b","$defs":{"a b":{"const":1}}}""", "1", "2")]
    [DataRow("""{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"const":1}}}""", "1", "2")]
    [DataRow("""{"$ref":"#/$defs/a","title":"x","$defs":{"a":{"const":1}}}""", "1", "2")]
    [DataRow("""{"$ref":"#/$defs/a","maximum":7,"$defs":{"a":{"$ref":"#/$defs/b","minimum":5},"b":{"type":"integer"}}}""", "5|6|7", "4|8|5.5")]
    [DataRow("""{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"},{"maximum":2}],"$defs":{"a":{"type":"integer","minimum":1}}}""", "1|2", "0|3")]
    [DataRow("""{"allOf":[{"$ref":"#/$defs/a","maximum":2},{"$ref":"#/$defs/a","minimum":0}],"$defs":{"a":{"type":"integer"}}}""", "0|1|2", "-1|3")]
    [DataRow("""{"allOf":[{"allOf":[{"minimum":1},{"maximum":3}]},{"type":"integer"}],"maximum":2}""", "1|2", "0|3|1.5")]
    [DataRow("""{"anyOf":[{"minimum":5},{"maximum":2}],"type":"integer","minimum":0,"maximum":9}""", "0|1|2|5|9", "-1|3|4|10")]
    [DataRow("""{"anyOf":[{"const":1},{"anyOf":[{"const":2},{"const":3}]}]}""", "1|2|3", "4")]
    [DataRow("""{"anyOf":[{"minimum":1},{"maximum":-1}],"oneOf":[{"type":"integer"},{"type":"string"}]}""", "1|-1|5", "0|1.5|\"a\"")]
    [DataRow("""{"allOf":[{"anyOf":[{"const":1},{"const":2}]},{"anyOf":[{"const":2},{"const":3}]}]}""", "2", "1|3")]
    [DataRow("""{"anyOf":[false,{"const":1},false]}""", "1", "2")]
    [DataRow("""{"anyOf":[true,{"const":1}]}""", "1|\"a\"|null", "a")]
    [DataRow("""{"allOf":[true,{"const":1}]}""", "1", "2")]
    [DataRow("""{"properties":{"a":{"$ref":"#"},"b":true}}""", "{}|{\"a\":{\"a\":{}}}|{\"b\":[1]}|{\"a\":{},\"b\":null}", "{\"a\":1}|{\"a\":[]}")]
    [DataRow("""{"type":"array","items":{"$ref":"#"}}""", "[]|[[]]|[[],[[],[]]]", "[1]|{}")]
    [DataRow("""{"allOf":[{"properties":{"a":{"minimum":1}}},{"properties":{"a":{"type":"integer","maximum":2},"b":{"const":0}},"required":["a"]}]}""", "{\"a\":1}|{\"a\":2,\"b\":0}", "{}|{\"a\":0}|{\"a\":3}|{\"a\":1.5}|{\"b\":0}")]
    [DataRow("""{"allOf":[{"properties":{"a":{"const":1}}},{"additionalProperties":{"enum":[1,2]}}]}""", "{\"a\":1}|{\"b\":2}|{\"a\":1,\"b\":1}", "{\"a\":2}|{\"b\":3}")]
    [DataRow("""{"allOf":[{"additionalProperties":{"enum":[1,2]}},{"additionalProperties":{"enum":[2,3]}}]}""", "{\"a\":2}|{}", "{\"a\":1}|{\"a\":3}")]
    [DataRow("""{"allOf":[{"additionalProperties":true},{"additionalProperties":false}]}""", "{}", "{\"a\":1}")]
    [DataRow("""{"allOf":[{"required":["b"]},{"required":["a","b"]}],"additionalProperties":{"const":1}}""", "{\"b\":1,\"a\":1}", "{\"a\":1}|{\"b\":1}|{\"a\":1,\"b\":1}")]
    [DataRow("""{"allOf":[{"prefixItems":[{"minimum":1}]},{"items":{"type":"integer","maximum":2}},{"minItems":1},{"maxItems":2}]}""", "[1]|[2,-5]|[1,2]", "[]|[0]|[3]|[1,3]|[1,1,1]|[1.5]")]
    [DataRow("""{"allOf":[{"minLength":1},{"minLength":2},{"maxLength":4},{"maxLength":3}]}""", "\"aa\"|\"aaa\"", "\"a\"|\"aaaa\"")]
    [DataRow("""{"allOf":[{"pattern":"^a"},{"pattern":"b$"},{"maxLength":3}]}""", "\"ab\"|\"acb\"|\"abb\"", "\"a\"|\"b\"|\"ba\"|\"accb\"")]
    [DataRow("""{"properties":{"a":false,"b":{"const":1}}}""", "{}|{\"b\":1}", "{\"a\":1}|{\"a\":1,\"b\":1}")]
    public void References_and_schemas_that_apply_together_are_followed(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [TestMethod]
    public void Members_are_the_subsets_that_the_counts_allow()
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        foreach (string required in (string[])["", "b", "ac"])
        {
            foreach (string? additional in (string?[])[null, "false", "{\"const\":9}"])
            {
                foreach (int? min in (int?[])[null, 1, 2, 4])
                {
                    foreach (int? max in (int?[])[null, 0, 2, 3])
                    {
                        // Members in the order a, b, c, then up to three others.
                        Dictionary<string, bool> texts = [];
                        for (int bits = 0; bits < 8; bits++)
                        {
                            string[] named = [.. "abc".Where((_, i) => (bits & (1 << i)) != 0).Select(static name => $"\"{name}\":{name - 'a'}")];
                            for (int others = 0; others <= 3; others++)
                            {
                                string[] members = [.. named, .. Enumerable.Range(0, others).Select(static i => $"\"x{i}\":9")];
                                bool fits = required.All(name => (bits & (1 << (name - 'a'))) != 0) && members.Length >= (min ?? 0) && members.Length <= (max ?? 99) && (others == 0 || additional?.Length > 5);
                                texts.Add($"{{{string.Join(',', members)}}}", fits);
                            }
                        }

                        string schema = "{\"properties\":{\"a\":{\"const\":0},\"b\":{\"const\":1},\"c\":{\"const\":2}}" + Keyword("required", $"[{string.Join(',', required.Select(static name => $"\"{name}\""))}]") + Keyword("additionalProperties", additional) + Keyword("minProperties", min) + Keyword("maxProperties", max) + "}";
                        Same(schema, texts, tokenizer);
                    }
                }
            }
        }

        Check("""{"properties":{"a":{"const":0},"b":{"const":1}},"required":["b"]}""", "{\"a\":0,\"b\":1}|{\"b\":1}", "{\"b\":1,\"a\":0}|{\"a\":0b\":1}|{,\"b\":1}|{\"b\":1,}|{\"a\":0,\"a\":0,\"b\":1}|\"b\":1|{\"b\":1");
    }

    [TestMethod]
    public void Items_are_the_lists_that_the_counts_allow()
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        for (int prefix = 0; prefix <= 2; prefix++)
        {
            foreach (string? items in (string?[])[null, "false", "{\"const\":9}"])
            {
                foreach (int? min in (int?[])[null, 1, 2, 4])
                {
                    foreach (int? max in (int?[])[null, 0, 2, 3])
                    {
                        // The first are 0 and 1 as far as the prefix goes, the others 9; or one of them is not.
                        Dictionary<string, bool> texts = [];
                        for (int count = 0; count <= 5; count++)
                        {
                            int[] right = [.. Enumerable.Range(0, count).Select(i => i < prefix ? i : 9)];
                            bool fits = count >= (min ?? 0) && count <= (max ?? 99) && (count <= prefix || items != "false");
                            texts.Add($"[{string.Join(',', right)}]", fits);
                            for (int wrong = 0; wrong < count; wrong++)
                                texts.Add($"[{string.Join(',', right.Select((value, i) => i == wrong ? 5 : value))}]", fits && wrong >= prefix && items is null);
                        }

                        string first = prefix == 0 ? "" : $",\"prefixItems\":[{string.Join(',', Enumerable.Range(0, prefix).Select(static i => $"{{\"const\":{i}}}"))}]";
                        string schema = "{\"type\":\"array\"" + first + Keyword("items", items) + Keyword("minItems", min) + Keyword("maxItems", max) + "}";
                        Same(schema, texts, tokenizer);
                    }
                }
            }
        }

        Check("""{"type":"array","prefixItems":[{"const":1},false,{"const":3}]}""", "[]|[1]", "[1,2]|[1,3]|[1,2,3]");
        Check("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3}}""", "[]|[1]|[1,2]|[1,2,3,3]", "[2]|[1,3]|[12]|[1,2,]|[1,,2]|[,1]|[1,2|1,2]|[1,2,33]");
    }

    [TestMethod]
    public void White_space_may_stand_within_brackets_and_behind_separators()
    {
        var text = new GrammarText(JsonSchemaReader.Read("""{"properties":{"a":{"const":1},"b":{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3}},"c":{"type":"array","items":{"const":1}},"d":{"type":"array","maxItems":0}}}""", JsonWhitespace.Optional));
        foreach (string one in (string[])["{ }", "{\n}", "{ \"a\": 1, \"b\": [ 1, 2, 3, 3 ], \"c\": [ 1, 1 ], \"d\": [ ] }", "{\"b\":[ ]}", "{\"b\":[ 1 ],\"c\":[ ]}", "{\"b\":[1,2 ]}", "{\"c\":[1 ]\n}"]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])[" {}", "{} ", "{\"a\" :1}", "{\"a\":1 ,\"b\":[]}", "{\"b\":[1 ,2]}", "{\"b\":[1,2 ,3]}", "{\"c\":[1 ,1]}", "{\"b\":[  ]}", "{\"c\":[  ]}", "{\"d\":[  ]}", "{  }", "{\"c\":[  1]}"]) Assert.IsFalse(text.Accepts(one), one);
        text = new GrammarText(JsonSchemaReader.Read("""{"properties":{"a":{"const":1}}}""", JsonWhitespace.None));
        foreach (string one in (string[])["{ }", "{ \"a\":1}", "{\"a\": 1}", "{\"a\":1 }"]) Assert.IsFalse(text.Accepts(one), one);
    }

    [TestMethod]
    [DataRow("date", "2024-01-31|1999-12-31|2000-02-28|9999-11-30|2023-02-01|2020-04-30|2020-09-29|2020-10-31|2020-08-31", "0999-01-01|2024-02-29|2024-02-30|2024-04-31|2024-11-31|2024-13-01|2024-00-10|2024-01-00|2024-01-32|24-01-01|2024-1-1|2024-09-31|x2024-01-01")]
    [DataRow("time", "00:00:00Z|23:59:59+13:59|12:30:45.123456-00:00|01:02:03.1Z|19:00:00Z", "24:00:00Z|12:60:00Z|12:00:60Z|12:00:00|12:00:00+14:00|12:00:00.1234567Z|1:00:00Z|12:00Z")]
    [DataRow("date-time", "2024-01-31T00:00:00Z|2020-04-30T23:59:59.5+01:00", "2024-01-31|00:00:00Z|2024-01-31 00:00:00Z|2024-02-30T00:00:00Z")]
    [DataRow("duration", "P1W|P999D|PT1H|PT59M|PT5S|P1DT1H|PT1H2M|PT2M3S|PT1H2M3S|P1DT2M3S", "P|PT|P1|1D|P1Y|PT1H3S|P1000D|PT1.5S|P1W1D")]
    [DataRow("uuid", "00000000-0000-0000-0000-000000000000|12345678-9abc-def0-1234-56789abcdef0", "12345678-9ABC-def0-1234-56789abcdef0|12345678-9abc-def0-1234-56789abcdef|123456789abcdef0123456789abcdef0|g2345678-9abc-def0-1234-56789abcdef0")]
    [DataRow("ipv4", "0.0.0.0|255.255.255.255|192.168.1.10|249.199.99.9", "256.0.0.0|1.2.3|1.2.3.4.5|01.2.3.4|1.2.3.1000|260.1.1.1")]
    [DataRow("hostname", "a|a-b|example.org|a.b.c.d|0a|aaaaaaaaaaaaaaaaaaaaaa", "-a|a-|a.|.a|A|a_b|a.b.c.d.e|aaaaaaaaaaaaaaaaaaaaaaa|")]
    [DataRow("email", "a@b.de|a.b@c-d.org|a_b-c1@x.y.museum", "a|a@b|@b.de|a@b.d|a.@b.de|A@b.de|a@b.toolong")]
    [DataRow("uri", "http://a|https://a.b/|https://example.org/a/b_c~d.e-f", "ftp://a|http:/a|http://|https://a b|//a|https://a.b/ä")]
    public void A_format_has_these_texts(string format, string accepted, string refused)
    {
        var text = new GrammarText(Read($$"""{"type":"string","format":"{{format}}"}"""));
        foreach (string one in accepted.Split('|')) Assert.IsTrue(text.Accepts($"\"{one}\""), one);
        foreach (string one in refused.Split('|')) Assert.IsFalse(text.Accepts($"\"{one}\""), one);

        // With a length and a pattern both count.
        string first = accepted.Split('|').MinBy(static one => one.Length)!;
        text = new GrammarText(Read($$"""{"format":"{{format}}","maxLength":{{first.Length}},"pattern":"{{first[0]}}"}"""));
        Assert.IsTrue(text.Accepts($"\"{first}\""));
        Assert.IsFalse(text.Accepts($"\"{accepted.Split('|').MaxBy(static one => one.Length)!}x\""));
    }

    [TestMethod]
    [DataRow("""{"minimum":3,"exclusiveMinimum":3}""", "3.1|4", "3|2")]
    [DataRow("""{"minimum":3,"exclusiveMinimum":2}""", "3|4", "2|2.5")]
    [DataRow("""{"minimum":2,"exclusiveMinimum":3}""", "4|3.5", "2|3")]
    [DataRow("""{"maximum":3,"exclusiveMaximum":3}""", "2.9|2", "3|4")]
    [DataRow("""{"maximum":3,"exclusiveMaximum":4}""", "3|2", "3.5|4")]
    [DataRow("""{"maximum":4,"exclusiveMaximum":3}""", "2|2.9", "3|4")]
    [DataRow("""{"allOf":[{"exclusiveMinimum":3},{"minimum":3}]}""", "3.1", "3")]
    [DataRow("""{"allOf":[{"exclusiveMaximum":3},{"maximum":3}]}""", "2.9", "3")]
    [DataRow("""{"allOf":[{"minimum":3},{"exclusiveMinimum":3},{"minimum":1}]}""", "3.1", "3|2")]
    [DataRow("""{"allOf":[{"minimum":1},{"minimum":4},{"maximum":9},{"maximum":6}]}""", "4|6", "3|7")]
    [DataRow("""{"allOf":[{"exclusiveMinimum":1},{"exclusiveMinimum":4},{"exclusiveMaximum":9},{"exclusiveMaximum":6}]}""", "4.1|5.9", "4|6")]
    [DataRow("""{"allOf":[{"exclusiveMinimum":4},{"minimum":1},{"exclusiveMaximum":6},{"maximum":9}]}""", "4.1|5.9", "4|6|2|7")]
    [DataRow("""{"allOf":[{"minimum":4},{"minimum":1},{"maximum":6},{"maximum":9}]}""", "4|6", "3|7")]
    [DataRow("""{"minimum":-1e400,"maximum":5}""", "5|-999999999999999", "6")]
    [DataRow("""{"minimum":5,"maximum":1e400}""", "5|999999999999999", "4")]
    [DataRow("""{"exclusiveMinimum":-1e400,"exclusiveMaximum":1e400}""", "0|-5|5.5", "a")]
    [DataRow("""{"type":"integer","exclusiveMinimum":1.5,"exclusiveMaximum":3.5}""", "2|3", "1|4|2.5")]
    [DataRow("""{"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":3}""", "2", "1|3")]
    [DataRow("""{"type":"integer","minimum":2,"maximum":2}""", "2", "1|3")]
    [DataRow("""{"type":"integer","minimum":1.5,"maximum":2}""", "2", "1|3")]
    [DataRow("""{"type":"integer","minimum":2,"maximum":2.5}""", "2", "1|3")]
    [DataRow("""{"type":"integer","exclusiveMinimum":-2.5,"exclusiveMaximum":-1}""", "-2", "-3|-1")]
    [DataRow("""{"minimum":2,"maximum":2}""", "2|2.0", "1|3|2.1")]
    [DataRow("""{"multipleOf":1,"minimum":0,"maximum":9}""", "0|9", "1.0|10")]
    [DataRow("""{"multipleOf":1.00,"minimum":0,"maximum":9}""", "0|9", "1.0|10")]
    [DataRow("""{"multipleOf":0.1}""", "1|1.5|-0.1", "1.55")]
    [DataRow("""{"multipleOf":0.01}""", "1|1.55|-0.1", "1.555")]
    [DataRow("""{"multipleOf":0.0000001}""", "1|1.1234567", "1.12345678")]
    [DataRow("""{"allOf":[{"multipleOf":0.1},{"multipleOf":0.001},{"multipleOf":0.01}]}""", "1.5", "1.55")]
    [DataRow("""{"type":"integer","multipleOf":0.1}""", "1", "1.5|1.0")]
    [DataRow("""{"type":["integer"],"multipleOf":1}""", "1", "1.0")]
    public void Numbers_are_within_all_bounds(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [TestMethod]
    [DataRow("""{"type":"string"}""", """{"type":"number"}""")]
    [DataRow("""{"type":["string","null"]}""", """{"type":["number","array"]}""")]
    [DataRow("""{"const":1}""", """{"const":2}""")]
    [DataRow("""{"enum":[1,2]}""", """{"enum":[3,4]}""")]
    [DataRow("""{"type":"integer","enum":[1,2]}""", """{"type":"number","enum":[3.5]}""")]
    [DataRow("""{"const":"auto"}""", """{"type":"integer"}""")]
    [DataRow("""{"const":null}""", """{"type":["string","number"]}""")]
    [DataRow("""{"enum":["a",1.5,[]]}""", """{"type":["boolean","null"]}""")]
    [DataRow("""{"enum":["a",1]}""", """{"type":["string","null"],"enum":["b",1]}""")]
    [DataRow("false", """{"type":"string"}""")]
    [DataRow("""{"type":"string"}""", "false")]
    [DataRow("""{"$ref":"#/$defs/one"}""", """{"$ref":"#/$defs/two"}""")]
    [DataRow("""{"anyOf":[{"type":"string"},{"type":"null"}]}""", """{"type":"number"}""")]
    [DataRow("""{"type":"number"}""", """{"anyOf":[{"type":"string"},{"type":"null"}]}""")]
    [DataRow("""{"type":"number"}""", """{"oneOf":[{"type":"string"},{"type":"null"}]}""")]
    [DataRow("""{"anyOf":[{"type":"string"},{"type":"number"}],"type":"string"}""", """{"type":"number"}""")]
    [DataRow("""{"allOf":[{"type":"string"}]}""", """{"allOf":[{"type":["number","null"]}]}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":{"const":1}}}""", """{"type":"object","required":["k"],"properties":{"k":{"const":2}}}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":{"const":1}}}""", """{"type":"object","properties":{"k":{"const":2}}}""")]
    [DataRow("""{"type":"object","properties":{"k":{"type":"null"}}}""", """{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}""")]
    [DataRow("""{"type":"object","required":["a","k"],"properties":{"a":{"const":1},"k":{"const":1}}}""", """{"type":"object","required":["a","k"],"properties":{"a":{"const":1},"k":{"const":2}}}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":{"type":"object","required":["l"],"properties":{"l":{"const":1}}}}}""", """{"type":"object","properties":{"k":{"type":"object","properties":{"l":{"const":2}}}}}""")]
    [DataRow("""{"type":"object","required":["k"],"additionalProperties":{"const":1}}""", """{"type":"object","required":["k"],"additionalProperties":{"const":2}}""")]
    [DataRow("""{"type":"object","required":["k"],"additionalProperties":false}""", """{"type":"object","required":["k"],"properties":{"k":{"const":2}}}""")]
    public void Alternatives_that_exclude_each_other_may_be_one_of_several(string first, string second)
    {
        Assert.IsNotNull(Read(OneOf(first, second)));
        Assert.IsNotNull(Read(OneOf(second, first)));
    }

    [TestMethod]
    [DataRow("{}", """{"type":"string"}""")]
    [DataRow("true", """{"type":"string"}""")]
    [DataRow("""{"type":"integer"}""", """{"type":"number"}""")]
    [DataRow("""{"type":["string","null"]}""", """{"type":["number","null"]}""")]
    [DataRow("""{"enum":[1,2]}""", """{"enum":[2,3]}""")]
    [DataRow("""{"enum":[1,2]}""", """{"type":"number"}""")]
    [DataRow("""{"enum":["a",1]}""", """{"type":"string"}""")]
    [DataRow("""{"const":1e400}""", """{"type":"integer"}""")]
    [DataRow("""{"minimum":1}""", """{"minLength":1}""")]
    [DataRow("""{"type":"object","properties":{"k":{"const":1}}}""", """{"type":"object","properties":{"k":{"const":2}}}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":{"const":1}}}""", """{"type":"object","required":["k"]}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":{"const":1}}}""", """{"type":"object","required":["l"],"properties":{"l":{"const":2}}}""")]
    [DataRow("""{"required":["k"],"properties":{"k":{"const":1}}}""", """{"type":"object","required":["k"],"properties":{"k":{"const":2}}}""")]
    [DataRow("""{"type":["object","null"],"required":["k"],"properties":{"k":{"const":1}}}""", """{"type":["object","null"],"required":["k"],"properties":{"k":{"const":2}}}""")]
    [DataRow("""{"anyOf":[{"type":"string"},{"type":"number"}]}""", """{"type":"number"}""")]
    [DataRow("""{"anyOf":[{"type":"string"},{"type":"null"}]}""", """{"anyOf":[{"type":"null"},{"type":"number"}]}""")]
    [DataRow("""{"type":"array","items":{"const":1}}""", """{"type":"array","items":{"const":2}}""")]
    [DataRow("""{"type":"object","required":["k"],"properties":{"k":true}}""", """{"type":"object","required":["k"],"properties":{"k":{"const":2}}}""")]
    public void Alternatives_that_may_overlap_are_refused_as_one_of_several(string first, string second)
    {
        foreach ((string a, string b) in ((string, string)[])[(first, second), (second, first)])
        {
            GrammarText.Refuses(
                () => Read(OneOf(a, b)), ConstraintProblem.Unsupported, "#",
                "A value might satisfy both alternative 0 and alternative 1 of 'oneOf', which then is not satisfied. Write 'anyOf', or give them a required property with a 'const' that tells them apart.", "oneOf");
        }
    }

    [TestMethod]
    public void Alternatives_are_compared_each_with_each_and_to_a_depth()
    {
        Assert.IsNotNull(Read("""{"oneOf":[{"const":1},{"const":2},{"const":3}]}"""));
        GrammarText.Refuses(
            static () => Read("""{"properties":{"a":{"oneOf":[{"const":1},{"const":2},{"type":"integer"}]}}}"""), ConstraintProblem.Unsupported, "#/properties/a",
            "A value might satisfy both alternative 0 and alternative 2 of 'oneOf', which then is not satisfied. Write 'anyOf', or give them a required property with a 'const' that tells them apart.", "oneOf");
        Check("""{"oneOf":[{"const":1},{"const":2}]}""", "1|2", "3");

        // A constant within eight objects tells them apart, within nine it is not looked for.
        Assert.IsNotNull(Read(OneOf(Nested(8, 1), Nested(8, 2))));
        Assert.AreEqual("oneOf", Assert.ThrowsExactly<ConstraintException>(static () => Read(OneOf(Nested(9, 1), Nested(9, 2)))).Keyword);

        // Recursion ends.
        Assert.AreEqual("oneOf", Assert.ThrowsExactly<ConstraintException>(static () => Read(
            """{"oneOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"type":"object","required":["k"],"properties":{"k":{"$ref":"#/$defs/a"}}},"b":{"type":"object","required":["k"],"properties":{"k":{"$ref":"#/$defs/b"}}}}}""")).Keyword);

        static string Nested(int depth, int value) => depth == 0 ? $"{{\"const\":{value}}}" : "{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":" + Nested(depth - 1, value) + "}}";
    }

    [TestMethod]
    [DataRow("""{"type":"text"}""", "#", "type", "'type' must be one or several of object, array, string, number, boolean, null and integer.")]
    [DataRow("""{"type":5}""", "#", "type", "'type' must be one or several of object, array, string, number, boolean, null and integer.")]
    [DataRow("""{"type":["string",5]}""", "#", "type", "'type' must be one or several of object, array, string, number, boolean, null and integer.")]
    [DataRow("""{"properties":{"a":5}}""", "#/properties/a", null, "A schema is an object, true or false; here stands Number.")]
    [DataRow("""{"properties":{"x":{"properties":[]}}}""", "#/properties/x", "properties", "'properties' must be an object of schemas.")]
    [DataRow("""{"required":"a"}""", "#", "required", "'required' must be a list of names.")]
    [DataRow("""{"required":["a",5]}""", "#", "required", "'required' must be a list of names.")]
    [DataRow("""{"minProperties":-1}""", "#", "minProperties", "'minProperties' must be an integer of 0 or more.")]
    [DataRow("""{"maxProperties":1.5}""", "#", "maxProperties", "'maxProperties' must be an integer of 0 or more.")]
    [DataRow("""{"minItems":"1"}""", "#", "minItems", "'minItems' must be an integer of 0 or more.")]
    [DataRow("""{"maxItems":null}""", "#", "maxItems", "'maxItems' must be an integer of 0 or more.")]
    [DataRow("""{"minLength":-1}""", "#", "minLength", "'minLength' must be an integer of 0 or more.")]
    [DataRow("""{"maxLength":0.5}""", "#", "maxLength", "'maxLength' must be an integer of 0 or more.")]
    [DataRow("""{"type":"string","pattern":5}""", "#", "pattern", "'pattern' must be a string.")]
    [DataRow("""{"type":"string","format":5}""", "#", "format", "'format' must be a string.")]
    [DataRow("""{"$ref":5}""", "#", "$ref", "'$ref' must be a string.")]
    [DataRow("""{"minimum":"1"}""", "#", "minimum", "'minimum' must be a number.")]
    [DataRow("""{"exclusiveMaximum":true}""", "#", "exclusiveMaximum", "'exclusiveMaximum' must be a number.")]
    [DataRow("""{"enum":[]}""", "#", "enum", "'enum' must be a list of values that is not empty.")]
    [DataRow("""{"enum":5}""", "#", "enum", "'enum' must be a list of values that is not empty.")]
    [DataRow("""{"anyOf":[]}""", "#", "anyOf", "'anyOf' must be a list of schemas that is not empty.")]
    [DataRow("""{"allOf":{}}""", "#", "allOf", "'allOf' must be a list of schemas that is not empty.")]
    [DataRow("""{"enum":[1,2],"multipleOf":0}""", "#", "multipleOf", "'multipleOf' must be a number above 0.")]
    [DataRow("""{"const":1,"multipleOf":-1}""", "#", "multipleOf", "'multipleOf' must be a number above 0.")]
    [DataRow("""{"items":{"oneOf":[]}}""", "#/items", "oneOf", "'oneOf' must be a list of schemas that is not empty.")]
    [DataRow("""{"prefixItems":[]}""", "#", "prefixItems", "'prefixItems' must be a list of schemas that is not empty.")]
    [DataRow("""{"prefixItems":5}""", "#", "prefixItems", "'prefixItems' must be a list of schemas that is not empty.")]
    public void A_keyword_of_the_wrong_form_is_named(string schema, string location, string? keyword, string message) => GrammarText.Refuses(() => Read(schema), ConstraintProblem.Syntax, location, message, keyword);

    [TestMethod]
    [DataRow("""{"properties":{"a":{"not":{}}}}""", "#/properties/a", "not", "The keyword 'not' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"y-a":1}""", "#", "y-a", "The keyword 'y-a' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"properties":{"a/b~c":{"uniqueItems":true}}}""", "#/properties/a~1b~0c", "uniqueItems", "The keyword 'uniqueItems' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"additionalProperties":{"if":{}}}""", "#/additionalProperties", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"prefixItems":[true,{"if":{}}]}""", "#/prefixItems/1", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"items":{"if":{}}}""", "#/items", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"anyOf":[{},{"if":{}}]}""", "#/anyOf/1", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"$ref":"#/$defs/a","$defs":{"a":{"if":{}}}}""", "#/$defs/a", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"$ref":"#/$defs/a","if":{},"$defs":{"a":{}}}""", "#", "if", "The keyword 'if' is not supported. Leave it out, and check what it asks for when the value is there.")]
    [DataRow("""{"$ref":"other.json"}""", "#", "$ref", "The reference 'other.json' leads out of the schema or to an anchor, which is not supported. Put the schema under $defs and write '#/$defs/name'.")]
    [DataRow("""{"$ref":"#name"}""", "#", "$ref", "The reference '#name' leads out of the schema or to an anchor, which is not supported. Put the schema under $defs and write '#/$defs/name'.")]
    [DataRow("""{"items":[{}]}""", "#", "items", "A list as 'items' is not supported. Write 'prefixItems', as drafts since 2020-12 have it.")]
    [DataRow("""{"format":"iri"}""", "#", "format", "The format 'iri' is not supported; the formats are date, time, date-time, duration, uuid, ipv4, hostname, email, uri. Leave it out, or write a pattern.")]
    [DataRow("""{"multipleOf":3}""", "#", "multipleOf", "'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for 3. Leave it out, or list the values in 'enum'.")]
    [DataRow("""{"multipleOf":0.5}""", "#", "multipleOf", "'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for 0.5. Leave it out, or list the values in 'enum'.")]
    [DataRow("""{"multipleOf":10}""", "#", "multipleOf", "'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for 10. Leave it out, or list the values in 'enum'.")]
    [DataRow("""{"multipleOf":0}""", "#", "multipleOf", "'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for 0. Leave it out, or list the values in 'enum'.")]
    [DataRow("""{"multipleOf":-1}""", "#", "multipleOf", "'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for -1. Leave it out, or list the values in 'enum'.")]
    [DataRow("""{"minimum":1e400}""", "#", "minimum", "'minimum' is 1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"exclusiveMinimum":1e400}""", "#", "exclusiveMinimum", "'exclusiveMinimum' is 1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"maximum":-1e400}""", "#", "maximum", "'maximum' is -1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"exclusiveMaximum":-1e400}""", "#", "exclusiveMaximum", "'exclusiveMaximum' is -1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"minimum":1e-33}""", "#", "minimum", "'minimum' is 1e-33, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"type":"integer","maximum":-1e-30}""", "#", "maximum", "'maximum' is -1e-30, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"maximum":0.99999999999999999999999999999}""", "#", "maximum", "'maximum' is 0.99999999999999999999999999999, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"multipleOf":1e400}""", "#", "multipleOf", "'multipleOf' is 1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"multipleOf":-1e400}""", "#", "multipleOf", "'multipleOf' is -1e400, which is beyond what is supported; choose a number of at most 28 digits.")]
    [DataRow("""{"enum":["a"],"pattern":"(?<=b)a"}""", "character 2 of the regular expression '(?<=b)a'", "lookbehind", "It uses lookbehind, which is not supported. Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("""{"enum":["a"],"format":"date"}""", "#", "format", "'format' beside listed values is not supported. Leave it out.")]
    [DataRow("""{"enum":[{}],"properties":{}}""", "#", "properties", "'properties' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"enum":[[]],"required":[]}""", "#", "required", "'required' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"propertyNames":{"maxLength":3},"properties":{"a":true}}""", "#", "propertyNames", "'propertyNames' beside properties that are named is not supported. Leave it out.")]
    [DataRow("""{"propertyNames":{"maxLength":3},"required":["a"]}""", "#", "propertyNames", "'propertyNames' beside properties that are named is not supported. Leave it out.")]
    [DataRow("""{"const":{},"propertyNames":true}""", "#", "propertyNames", "'propertyNames' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":{},"additionalProperties":true}""", "#", "additionalProperties", "'additionalProperties' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":{},"minProperties":0}""", "#", "minProperties", "'minProperties' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":{},"maxProperties":0}""", "#", "maxProperties", "'maxProperties' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":[],"items":{}}""", "#", "items", "'items' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":[],"prefixItems":[]}""", "#", "prefixItems", "'prefixItems' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":[],"minItems":0}""", "#", "minItems", "'minItems' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    [DataRow("""{"const":[],"maxItems":0}""", "#", "maxItems", "'maxItems' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.")]
    public void What_is_not_supported_is_named(string schema, string location, string keyword, string message) => GrammarText.Refuses(() => Read(schema), ConstraintProblem.Unsupported, location, message, keyword);

    [TestMethod]
    public void Schemas_may_have_more_members_items_and_references_than_a_stack_is_deep()
    {
        const int Many = 5_000;
        string members = string.Join(',', Enumerable.Range(0, Many).Select(static i => $"\"p{i}\":{{\"type\":\"null\"}}")), nothing = string.Join(',', Enumerable.Repeat("""{"type":"null"}""", Many));
        string chain = string.Join(',', Enumerable.Range(0, Many).Select(static i => $"\"d{i}\":{{\"type\":\"array\",\"items\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}}"));
        OnSmallStack(() =>
        {
            Check("""{"type":"object","properties":{""" + members + "}}", "{}|{\"p4999\":null}|{\"p0\":null,\"p4999\":null}", "{\"p4999\":null,\"p0\":null}|{\"p5000\":null}");
            Check("""{"type":"array","items":false,"prefixItems":[""" + nothing + "]}", "[]|[null]|[null,null]", "[1]");
            Check("""{"$ref":"#/$defs/d0","$defs":{"d5000":{"type":"null"},""" + chain + "}}", "[]|[[]]|[[[],[]]]", "null|[null]");
            var text = new GrammarText(Read("""{"type":"object","minProperties":5000,"additionalProperties":{"type":"null"}}"""));
            Assert.IsTrue(text.Accepts("{" + string.Join(',', Enumerable.Range(0, Many).Select(static i => $"\"{i}\":null")) + "}"));
            Assert.IsFalse(text.Accepts("{" + string.Join(',', Enumerable.Range(1, Many - 1).Select(static i => $"\"{i}\":null")) + "}"));
        });

        // References beside other keywords are read in one go.
        string beside = string.Join(',', Enumerable.Range(0, Many).Select(static i => $"\"d{i}\":{{\"minLength\":0,\"$ref\":\"#/$defs/d{i + 1}\"}}"));
        var error = Assert.ThrowsExactly<ConstraintException>(() => Read("""{"$ref":"#/$defs/d0","$defs":{"d5000":{"type":"string"},""" + beside + "}}"));
        Assert.AreEqual((ConstraintProblem.TooLarge, "$ref"), (error.Problem, error.Keyword), error.Message);
    }

    // Lists in a schema multiply: each of these is read for minutes, or takes gigabytes of names, where nothing counts.
    [TestMethod]
    [Timeout(120_000)]
    [DataRow("lists of values beside each other")]
    [DataRow("alternatives that exclude each other one by one")]
    [DataRow("alternatives in a place with a long name")]
    [DataRow("members beside many schemas")]
    public void What_takes_too_many_steps_to_read_is_refused(string kind)
    {
        static string Many(int count, Func<int, string> one) => string.Join(',', Enumerable.Range(0, count).Select(one));
        string numbers = Many(20_000, static i => $"{i}"), strings = """{"anyOf":[""" + Many(10, static i => """{"type":"string","minLength":""" + i + "}") + "]}";
        string schema = kind switch
        {
            "lists of values beside each other" => """{"allOf":[{"enum":[""" + numbers + """]},{"enum":[""" + numbers + "]}]}",
            "alternatives that exclude each other one by one" => """{"oneOf":[{"allOf":[""" + Many(7, _ => strings) + """]},{"type":"number"}]}""",
            "alternatives in a place with a long name" => """{"properties":{""" + $"\"{new string('a', 50_000)}\"" + """:{"anyOf":[""" + Many(5_000, static _ => "true") + "]}}}",
            _ => """{"allOf":[""" + Many(5_000, static i => $$"""{"additionalProperties":true,"minProperties":{{i % 2}}}""") + """,{"properties":{""" + Many(5_000, static i => $"\"p{i}\":true") + "}}]}",
        };
        var error = Assert.ThrowsExactly<ConstraintException>(() => Read(schema));
        Assert.AreEqual(ConstraintProblem.TooLarge, error.Problem, error.Message);
        StringAssert.Contains(error.Message, "Reading the schema takes more than 10000000 steps, since lists in it multiply");
        Assert.IsLessThanOrEqualTo(101, error.Location.Length);
    }

    // A schema that a caller gives as an element, as a chat's response format, may have a name twice; the last one counts, as JsonElement has it.
    [TestMethod]
    public void Of_a_property_that_stands_twice_in_an_element_the_last_counts()
    {
        using JsonDocument schema = JsonDocument.Parse("""{"properties":{"a":{"type":"string"},"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}""");
        var grammar = new Grammar();
        grammar.Root = JsonSchemaReader.AddObjectTo(grammar, schema.RootElement, JsonWhitespace.None).Rule;
        GrammarText.Check(grammar, ["{\"a\":1}"], ["{\"a\":\"x\"}", "{}"]);
    }

    [TestMethod]
    public void A_large_schema_whose_lists_do_not_multiply_is_read()
    {
        static string Many(int count, Func<int, string> one) => string.Join(',', Enumerable.Range(0, count).Select(one));
        Assert.IsTrue(new GrammarText(Read("""{"enum":[""" + Many(20_000, static i => $"{i}") + "]}")).Accepts("19999"));
        Assert.IsTrue(new GrammarText(Read("""{"properties":{""" + Many(8_000, static i => $$"""
            "p{{i}}":{"type":"null"}
            """) + "}}")).Accepts("{\"p7999\":null}"));
        string tagged = Many(300, static i => """{"type":"object","properties":{"k":{"const":""" + i + """}},"required":["k"],"additionalProperties":false}""");
        Assert.IsTrue(new GrammarText(Read("""{"oneOf":[""" + tagged + "]}")).Accepts("{\"k\":299}"));
    }

    private static void OnSmallStack(Action work)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                work();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        }, maxStackSize: 256 * 1024);
        thread.Start();
        thread.Join();
        if (failure is not null) throw new AssertFailedException(failure.Message, failure);
    }

    [TestMethod]
    [DataRow("""{"pattern":"a**"}""", ConstraintProblem.Syntax, "pattern", "character 2 of the regular expression 'a**': ", "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("""{"pattern":"(?=a)"}""", ConstraintProblem.Unsupported, "lookahead", "character 2 of the regular expression '(?=a)': ", "It uses lookahead, which is not supported.")]
    [DataRow("""{"pattern":"(?:a?){3000}"}""", ConstraintProblem.TooLarge, "pattern", "a pattern: ", "Pattern and lengths together need more than 1000000 ways")]
    [DataRow("""{"pattern":"a{60000}","allOf":[{"pattern":"^(?:aa){60000}$"}]}""", ConstraintProblem.TooLarge, "pattern", "a pattern: ", "Pattern and lengths together need more than 100000 states")]
    public void What_is_wrong_with_a_pattern_is_told_with_the_schema_that_has_it(string schema, ConstraintProblem problem, string keyword, string place, string message)
    {
        var error = Assert.ThrowsExactly<ConstraintException>(() => Read(schema));
        Assert.AreEqual((problem, keyword), (error.Problem, error.Keyword), error.Message);
        StringAssert.StartsWith(error.Message, $"The constraint can't be used, at {error.Location}: {place}");
        StringAssert.Contains(error.Message, message);
        StringAssert.StartsWith(error.Location, "#");
        Assert.IsInstanceOfType<ConstraintException>(error.InnerException);
    }

    [TestMethod]
    [DataRow("""{"$ref":"#/$defs/b","$defs":{"a":{}}}""", "#", "#/$defs/b")]
    [DataRow("""{"$ref":"#/$defs/a/0","$defs":{"a":[]}}""", "#", "#/$defs/a/0")]
    [DataRow("""{"$ref":"#/$defs/a/1","$defs":{"a":[{}]}}""", "#", "#/$defs/a/1")]
    [DataRow("""{"$ref":"#/$defs/a/-1","$defs":{"a":[{}]}}""", "#", "#/$defs/a/-1")]
    [DataRow("""{"$ref":"#/$defs/a/x","$defs":{"a":[{}]}}""", "#", "#/$defs/a/x")]
    [DataRow("""{"$ref":"#/title/x","title":"x"}""", "#", "#/title/x")]
    [DataRow("""{"properties":{"p":{"$ref":"#/q"}}}""", "#/properties/p", "#/q")]
    public void A_reference_to_nothing_is_named(string schema, string location, string reference) =>
        GrammarText.Refuses(() => Read(schema), ConstraintProblem.UndefinedReference, location, $"The reference '{reference}' leads to nothing; define it, or mend its name.", "$ref");

    [TestMethod]
    [DataRow("""{"$ref":"#"}""", "#")]
    [DataRow("""{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}""", "#/$defs/a")]
    [DataRow("""{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a","minimum":1}}}""", "#/$defs/a")]
    [DataRow("""{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}}""", "#/$defs/a/allOf/0")]
    public void A_reference_that_leads_back_to_itself_is_named(string schema, string location) =>
        GrammarText.Refuses(() => Read(schema), ConstraintProblem.EndlessRecursion, location, "The reference leads back to itself without anything in between.", "$ref");

    [TestMethod]
    [DataRow("false", "#", "The schema 'false' allows nothing.")]
    [DataRow("""{"$ref":"#/$defs/f","minimum":1,"$defs":{"f":false}}""", "#", "The schema 'false' allows nothing.")]
    [DataRow("""{"allOf":[{"minimum":1},false]}""", "#", "The schema 'false' allows nothing.")]
    [DataRow("""{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"integer"}}}],"required":["a"]}""", "#/allOf/0/properties/a", "The types that #/allOf/0/properties/a and #/allOf/1/properties/a ask for exclude each other.")]
    [DataRow("""{"properties":{"a":false},"required":["a"]}""", "#", "The property 'a' is required, and not allowed.")]
    [DataRow("""{"additionalProperties":false,"required":["a"]}""", "#", "The property 'a' is required, and not allowed.")]
    [DataRow("""{"minProperties":2,"maxProperties":1}""", "#", "At least 2 properties are asked for, and at most 1.")]
    [DataRow("""{"required":["a","b"],"maxProperties":1}""", "#", "2 properties are required, and at most 1 asked for.")]
    [DataRow("""{"properties":{"a":true,"b":false,"c":true},"minProperties":3}""", "#", "At least 3 properties are asked for, and there may be 2.")]
    [DataRow("""{"minItems":2,"maxItems":1}""", "#", "At least 2 items are asked for, and at most 1.")]
    [DataRow("""{"prefixItems":[{"const":1}],"items":false,"minItems":2}""", "#", "At least 2 items are asked for, and at most 1.")]
    [DataRow("""{"minLength":2,"maxLength":1}""", "#", "At least 2 characters are asked for, and at most 1.")]
    [DataRow("""{"pattern":"^abc$","maxLength":2}""", "#", "No text has both the length and the forms that are asked for.")]
    [DataRow("""{"allOf":[{"pattern":"^a"},{"pattern":"^b"}]}""", "#/allOf/0", "No text has both the length and the forms that are asked for.")]
    [DataRow("""{"minimum":5,"maximum":4.5}""", "#", "No number is at least 5 and at most 4.5.")]
    [DataRow("""{"minimum":5,"exclusiveMaximum":5}""", "#", "No number is at least 5 and at most 5.")]
    [DataRow("""{"exclusiveMinimum":5,"maximum":5}""", "#", "No number is at least 5 and at most 5.")]
    [DataRow("""{"type":"integer","exclusiveMinimum":4,"exclusiveMaximum":5}""", "#", "No integer lies between 4 and 5.")]
    [DataRow("""{"type":"integer","minimum":4.25,"maximum":4.75}""", "#", "No integer lies between 4.25 and 4.75.")]
    [DataRow("""{"type":"integer","minimum":4.25,"exclusiveMaximum":5}""", "#", "No integer lies between 4.25 and 5.")]
    [DataRow("""{"enum":[1,2],"type":"string"}""", "#", "None of the listed values is allowed by all of #.")]
    [DataRow("""{"allOf":[{"const":1},{"const":2}]}""", "#/allOf/0", "None of the listed values is allowed by all of #.")]
    [DataRow("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", "#/allOf/0", "The types that # ask for exclude each other.")]
    [DataRow("""{"type":"number","anyOf":[{"type":"string"}],"oneOf":[{"type":"string"}]}""", "#", "The types that # without anyOf, oneOf and #/anyOf/0 and #/oneOf/0 ask for exclude each other.")]
    public void A_contradiction_is_told(string schema, string location, string message) => GrammarText.Refuses(() => new GrammarText(Read(schema)), ConstraintProblem.Contradictory, location, message);

    [TestMethod]
    public void A_contradiction_in_one_alternative_leaves_the_others()
    {
        Check("""{"anyOf":[{"minLength":2,"maxLength":1},{"const":5},{"type":"integer","minimum":2,"maximum":1}]}""", "5", "\"a\"|1");
        Check("""{"properties":{"a":{"minItems":2,"maxItems":1},"b":{"const":1}}}""", "{}|{\"b\":1}", "{\"a\":[]}");

        // The first of several is told.
        GrammarText.Refuses(() => new GrammarText(Read("""{"anyOf":[{"minLength":2,"maxLength":1},{"minimum":2,"maximum":1}]}""")), ConstraintProblem.Contradictory, "#/anyOf/0", "At least 2 characters are asked for, and at most 1.");
    }

    [TestMethod]
    public void Counts_go_to_100000()
    {
        foreach (string keyword in (string[])["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"])
        {
            GrammarText.Refuses(
                () => Read($$"""{"{{keyword}}":100001}"""), ConstraintProblem.TooLarge, "#", $"'{keyword}' is 100001; the most is 100000. Lower it, or leave it out where it is a maximum.", keyword);
        }

        foreach (string keyword in (string[])["minLength", "maxLength", "maxItems"]) Assert.IsNotNull(Read($$"""{"{{keyword}}":100000}"""));
        Check("""{"minLength":1.0,"maxLength":2e0}""", "\"a\"|\"ab\"", "\"\"|\"abc\"");
    }

    [TestMethod]
    public void What_is_no_JSON_is_refused()
    {
        foreach (string schema in (string[])["", "{", """{"type":"string",}""", """{"a":1} x""", """{"type":"string","type":"null"}"""])
        {
            var error = Assert.ThrowsExactly<ConstraintException>(() => Read(schema));
            Assert.AreEqual((ConstraintProblem.Syntax, "the schema", (string?)null), (error.Problem, error.Location, error.Keyword));
            StringAssert.StartsWith(error.Message, "The constraint can't be used, at the schema: It is not JSON: ");
            Assert.IsInstanceOfType<System.Text.Json.JsonException>(error.InnerException, schema);
        }

        GrammarText.Refuses(static () => Read("5"), ConstraintProblem.Syntax, "#", "A schema is an object, true or false; here stands Number.");
    }

    [TestMethod]
    public void The_same_schema_is_one_rule_wherever_it_is_met()
    {
        Grammar grammar = Read("""{"properties":{"a":{"$ref":"#/$defs/s"},"b":{"$ref":"#/$defs/s"},"c":{"maxLength":3},"d":{"maxLength":3}},"$defs":{"s":{"minLength":1}}}""");
        Assert.AreEqual(1, grammar.Rules.Count(static rule => rule.Name == "#/$defs/s"));
        Assert.AreEqual(1, grammar.Rules.Count(static rule => rule.Name.StartsWith("string 0 3", StringComparison.Ordinal)));
    }

    private static string Keyword(string name, object? value) => value is null ? "" : $",\"{name}\":{value}";

    private static string OneOf(string first, string second) => $"{{\"oneOf\":[{first},{second}],\"$defs\":" + """{"one":{"const":1},"two":{"const":2}}}""";

    private static Grammar Read(string schema) => JsonSchemaReader.Read(schema, JsonWhitespace.None);

    private static void Check(string schema, string accepted, string refused) => GrammarText.Check(Read(schema), accepted.Split('|'), refused.Split('|'));

    private static void Same(string schema, Dictionary<string, bool> texts, GptTokenizer tokenizer)
    {
        if (!texts.ContainsValue(true))
        {
            Assert.AreEqual(ConstraintProblem.Contradictory, Assert.ThrowsExactly<ConstraintException>(() => new GrammarText(Read(schema), tokenizer), schema).Problem, schema);
            return;
        }

        var text = new GrammarText(Read(schema), tokenizer);
        foreach ((string one, bool fits) in texts) Assert.AreEqual(fits, text.Accepts(one), $"{one} and {schema}");
    }
}

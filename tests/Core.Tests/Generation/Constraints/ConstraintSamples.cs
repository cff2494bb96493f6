namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>Schemas, expressions and grammars of the kinds that structured output meets.</summary>
internal static class ConstraintSamples
{
    public static IReadOnlyList<string> Schemas { get; } =
    [
        // Answers of assistants.
        """{"type":"object","properties":{"answer":{"type":"string","maxLength":80},"confidence":{"type":"number","minimum":0,"maximum":1}},"required":["answer","confidence"],"additionalProperties":false}""",
        """{"type":"object","properties":{"reasoning":{"type":"string","maxLength":60},"sentiment":{"enum":["positive","negative","neutral"]}},"required":["reasoning","sentiment"]}""",
        """{"type":"object","properties":{"steps":{"type":"array","minItems":1,"maxItems":4,"items":{"type":"object","properties":{"explanation":{"type":"string","maxLength":30},"output":{"type":"string","maxLength":30}},"required":["explanation","output"],"additionalProperties":false}},"final_answer":{"type":"string","maxLength":40}},"required":["steps","final_answer"],"additionalProperties":false}""",
        """{"type":"object","properties":{"city":{"type":"string","pattern":"^[A-Z][a-z]{2,15}$"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"]}""",
        """{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Flag","description":"One bit.","type":"boolean"}""",
        """{"type":["string","null"],"maxLength":12}""",
        """{"enum":["red","green","blue",null,42,1.5,true,{"a":[1,"é"]}]}""",
        """{"const":{"kind":"fixed","value":[1,2,3]}}""",

        // Records.
        """{"type":"object","properties":{"id":{"type":"integer","minimum":1},"name":{"type":"string","minLength":1,"maxLength":40},"email":{"type":"string","format":"email"},"age":{"type":"integer","minimum":0,"maximum":130},"tags":{"type":"array","items":{"type":"string","maxLength":10},"maxItems":5}},"required":["id","name"]}""",
        """{"type":"object","properties":{"date":{"type":"string","format":"date"},"time":{"type":"string","format":"time"},"at":{"type":"string","format":"date-time"},"id":{"type":"string","format":"uuid"}},"required":["date","time","at","id"]}""",
        """{"type":"object","properties":{"invoice":{"type":"string","pattern":"^INV-\\d{6}$"},"lines":{"type":"array","items":{"$ref":"#/$defs/line"},"minItems":1,"maxItems":3},"total":{"type":"number","minimum":0,"multipleOf":0.01}},"required":["invoice","lines","total"],"$defs":{"line":{"type":"object","properties":{"sku":{"type":"string","pattern":"^[A-Z]{3}\\d{3}$"},"quantity":{"type":"integer","minimum":1,"maximum":999},"price":{"type":"number","exclusiveMinimum":0,"maximum":10000}},"required":["sku","quantity","price"],"additionalProperties":false}}}""",
        """{"type":"object","properties":{"latitude":{"type":"number","minimum":-90,"maximum":90},"longitude":{"type":"number","minimum":-180,"maximum":180}},"required":["latitude","longitude"]}""",
        """{"type":"object","properties":{"rgb":{"type":"array","items":{"type":"integer","minimum":0,"maximum":255},"minItems":3,"maxItems":3}},"required":["rgb"]}""",
        """{"type":"array","prefixItems":[{"type":"integer"},{"type":"string","maxLength":5},{"type":"boolean"}],"items":false,"minItems":2}""",
        """{"type":"array","prefixItems":[{"enum":["+","-","*"]}],"items":{"type":"integer","minimum":-9,"maximum":9},"minItems":3,"maxItems":6}""",
        """{"type":"object","additionalProperties":{"type":"integer","minimum":0,"maximum":9},"maxProperties":4}""",
        """{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},"minProperties":2,"additionalProperties":false}""",
        """{"type":"object","properties":{"host":{"type":"string","format":"hostname"},"ip":{"type":"string","format":"ipv4"},"port":{"type":"integer","minimum":1,"maximum":65535},"url":{"type":"string","format":"uri"}},"required":["host","port"]}""",
        """{"type":"object","properties":{"first":{"type":"string","maxLength":4},"2nd \"quoted\"":{"type":"string","maxLength":4},"dritte/~größe":{"type":"string","maxLength":4}},"required":["dritte/~größe"]}""",
        """{"type":"string","minLength":3,"maxLength":8,"pattern":"[0-9]"}""",
        """{"type":"string","pattern":"^(?:\\+\\d{1,3} )?\\(?\\d{3}\\)?[- ]\\d{3}-\\d{4}$"}""",
        """{"type":"string","pattern":"^\"[^\"\\\\]{0,9}\"$"}""",

        // Choices.
        """{"anyOf":[{"type":"string","maxLength":6},{"type":"integer","minimum":-5,"maximum":5},{"type":"array","items":{"type":"boolean"},"maxItems":2}]}""",
        """{"oneOf":[{"type":"object","properties":{"type":{"const":"circle"},"radius":{"type":"number","minimum":0,"maximum":100}},"required":["type","radius"]},{"type":"object","properties":{"type":{"const":"box"},"width":{"type":"integer","minimum":1,"maximum":50},"height":{"type":"integer","minimum":1,"maximum":50}},"required":["type","width","height"]}]}""",
        """{"type":"object","properties":{"payment":{"anyOf":[{"$ref":"#/$defs/card"},{"$ref":"#/$defs/transfer"}]}},"required":["payment"],"$defs":{"card":{"type":"object","properties":{"number":{"type":"string","pattern":"^\\d{16}$"},"expires":{"type":"string","pattern":"^(0[1-9]|1[0-2])/\\d{2}$"}},"required":["number","expires"],"additionalProperties":false},"transfer":{"type":"object","properties":{"iban":{"type":"string","pattern":"^DE\\d{20}$"}},"required":["iban"],"additionalProperties":false}}}""",
        """{"allOf":[{"type":"object","properties":{"id":{"type":"integer","minimum":1}},"required":["id"]},{"properties":{"id":{"maximum":99},"name":{"type":"string","maxLength":5}},"required":["name"]}]}""",
        """{"$ref":"#/$defs/small","maximum":7,"$defs":{"small":{"type":"integer","minimum":0,"maximum":10}}}""",
        """{"type":"object","properties":{"kind":{"enum":["a","b","c"]},"value":{"type":["integer","string","null"],"minimum":0,"maximum":3,"maxLength":3}},"required":["kind","value"]}""",

        // Recursion.
        """{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"value":{"type":"integer","minimum":0,"maximum":99},"left":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/tree"}]},"right":{"type":"null"}},"required":["value","left","right"],"additionalProperties":false}}}""",
        """{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z]{1,6}$"},"children":{"type":"array","items":{"$ref":"#"},"maxItems":1}},"required":["name"],"additionalProperties":false}""",
        """{"$ref":"#/$defs/expression","$defs":{"expression":{"anyOf":[{"type":"integer","minimum":0,"maximum":9},{"type":"integer","minimum":10,"maximum":99},{"type":"object","properties":{"op":{"enum":["+","*"]},"left":{"$ref":"#/$defs/expression"},"right":{"type":"integer","minimum":0,"maximum":9}},"required":["op","left","right"],"additionalProperties":false}]}}}""",
        """{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"data":{"type":"string","maxLength":3}},"required":["next","data"],"additionalProperties":false}""",

        // Extraction and user interfaces.
        """{"type":"object","properties":{"people":{"type":"array","maxItems":3,"items":{"type":"object","properties":{"name":{"type":"string","pattern":"^[A-Z][a-z]+ [A-Z][a-z]+$","maxLength":25},"born":{"type":"integer","minimum":1500,"maximum":2030},"role":{"enum":["author","editor","translator"]}},"required":["name","role"],"additionalProperties":false}}},"required":["people"],"additionalProperties":false}""",
        """{"type":"object","properties":{"title":{"type":"string","maxLength":30},"minutes":{"type":"integer","minimum":5,"maximum":600},"ingredients":{"type":"array","minItems":1,"maxItems":4,"items":{"type":"object","properties":{"item":{"type":"string","maxLength":15},"grams":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":5000}},"required":["item","grams"],"additionalProperties":false}}},"required":["title","minutes","ingredients"]}""",
        """{"type":"object","properties":{"type":{"enum":["div","button","header"]},"label":{"type":"string","maxLength":10},"attributes":{"type":"array","maxItems":2,"items":{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z-]{1,10}$"},"value":{"type":"string","maxLength":10}},"required":["name","value"],"additionalProperties":false}}},"required":["type","label","attributes"],"additionalProperties":false}""",
        """{"type":"object","properties":{"violates":{"type":"boolean"},"category":{"anyOf":[{"enum":["violence","self_harm"]},{"type":"null"}]},"explanation":{"type":["string","null"],"maxLength":20}},"required":["violates","category","explanation"],"additionalProperties":false}""",
        """{"type":"object","properties":{"version":{"type":"string","pattern":"^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}(-[a-z0-9]{1,8})?$"},"stable":{"type":"boolean"},"released":{"type":"string","format":"date"}},"required":["version","stable"]}""",
        """{"type":"object","properties":{"level":{"enum":["debug","info","warning","error"]},"message":{"type":"string","maxLength":30},"line":{"type":"integer","minimum":1,"maximum":100000},"context":{"type":"object","additionalProperties":{"type":"string","maxLength":5},"maxProperties":2}},"required":["level","message"]}""",
        """{"type":"array","items":{"type":"array","items":{"type":"number","minimum":-1.5,"maximum":1.5},"minItems":2,"maxItems":2},"minItems":2,"maxItems":2}""",
        """{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}""",
        """{"type":"object","properties":{"delay":{"type":"string","format":"duration"},"retries":{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":11},"backoff":{"type":"number","minimum":1.25,"maximum":1.75}},"required":["delay","retries","backoff"],"additionalProperties":false}""",
    ];

    public static IReadOnlyList<string> Expressions { get; } =
    [
        "yes|no|maybe", "[a-z]{3,8}", @"\d{4}-\d{2}-\d{2}", @"^[A-Z]\w{0,10}$", @"(?:\+49|0)[1-9]\d{4,9}", @"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        @"(?<user>[a-z0-9._]{1,10})@(?<host>[a-z0-9]{1,10}\.(?:com|org|net))", @"#(?:[0-9a-f]{3}){1,2}", @"(?:25[0-5]|2[0-4]\d|1\d{2}|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d{2}|[1-9]?\d)){3}",
        @"\s?\S{1,12}\s?", @"[^\d\s]{2,6}", @".{0,12}", @"\D\W\w", @"\p{Lu}\p{Ll}{1,8}", @"\P{L}{3}", @"(a|b)*?abb", @"^$|^x+y?$", @"[\u4e00-\u9fff]{2,4}。", @"grüß(?:e|en)!😀", @"-?(?:0|[1-9]\d{0,5})(?:\.\d{1,3})?(?:[eE][+-]?\d{1,2})?",
        @"\[(?:""[a-z]{1,4}""(?:,""[a-z]{1,4}""){0,3})?\]",
    ];

    public static IReadOnlyList<string> Grammars { get; } =
    [
        """
        # Arithmetic, as in llama.cpp's examples, with a limit on the length of numbers.
        root  ::= (expr "=" ws term "\n"){1,2}
        expr  ::= term ([-+*/] term)*
        term  ::= ident | num | "(" ws expr ")" ws
        ident ::= [a-z] [a-z0-9_]{0,4} ws
        num   ::= [0-9]{1,4} ws
        ws    ::= [ \t\n]?
        """,
        """
        root ::= move " " move "\n"
        move ::= (pawn | nonpawn | castle) [+#]?
        nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
        pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
        castle ::= "O-O" "-O"?
        """,
        """
        root ::= item+
        item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]{1,12} "\n"
        """,
        """
        root ::= "a" root "b" | "ab"
        """,
        """
        root   ::= sentence
        sentence ::= subject " " verb (" " object)? "。"
          | greeting "！"
        subject ::= "猫" | "犬" | "私"
        verb ::= "見る" | "食べる"
        object ::= subject
        greeting ::= "こんにちは" | "Grüß Gott" | "👋🏽"
        """,
    ];
}

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class GbnfReaderTests
{
    private const string Count = "'{' begins no count such as {2}, {2,} or {2,5}.";

    // Texts are separated by '|'; none holds one.
    [TestMethod]
    [DataRow("root ::= \"a\"", "a", "|aa")]
    [DataRow("root::=\"a\"\"b\"", "ab", "a|b")]
    [DataRow("  \n\t root \t ::= \t \"a\" \t ", "a", "")]
    [DataRow("root ::= \"\"", "", "a")]
    [DataRow("root ::=", "", "a")]
    [DataRow("root ::= | \"a\"", "|a", "aa")]
    [DataRow("root ::= \"a\" |", "|a", "aa")]
    [DataRow("root ::= \"a\" | \"b\" \"c\" | \"d\"", "a|bc|d", "b|ac|abc")]
    [DataRow("root ::= \"a\" \"b\"\n", "ab", "a")]
    [DataRow("root ::= \"a\"\r\n  | \"b\"\r\n\r\n", "a|b", "")]
    [DataRow("root ::=\n  \"a\" |\n  \"b\"", "a|b", "")]
    [DataRow("root ::= \"a\" # | \"x\"\n# \"y\"\n  | \"b\" # the end", "a|b", "x|y")]
    [DataRow("# only this\rroot ::= x_1-B\rx_1-B ::= \"a\"", "a", "")]
    [DataRow("root ::= a b\nb ::= \"x\"\na ::= b \"y\"", "xyx", "xy|x")]
    [DataRow("root ::= (\"a\" | \"b\") \"c\"", "ac|bc", "a|c")]
    [DataRow("root ::= (\n \"a\"\n \"b\" # one\n | # two\n \"c\"\n ) \"d\"", "abd|cd", "ab|d")]
    [DataRow("root ::= ( \"a\"\n?\n\"b\" )", "ab|b", "a")]
    [DataRow("root ::= ((\"a\") (\"b\" | ()))", "a|ab", "b")]
    [DataRow("root ::= \"a\"* \"b\"+ \"c\"?", "b|aabbc|abc", "a|c|ac|bcc")]
    [DataRow("root ::= \"ab\"{2}", "abab", "ab|ababab|abb")]
    [DataRow("root ::= \"a\" {2,}", "aa|aaaa", "a|")]
    [DataRow("root ::= \"a\"{ 1 , 3 }", "a|aa|aaa", "|aaaa")]
    [DataRow("root ::= \"a\"{,2}", "|a|aa", "aaa")]
    [DataRow("root ::= \"a\"{,}", "|a|aaaa", "b")]
    [DataRow("root ::= \"a\"{0} \"b\"", "b", "ab")]
    [DataRow("root ::= \"a\"{2} {2}", "aaaa", "aa|aaa")]
    [DataRow("root ::= \"a\"?*", "|a|aaa", "b")]
    [DataRow("root ::= (\"a\" | \"b\")+ [c-e]", "ac|abae", "c|ab|af")]
    [DataRow("root ::= [abc]", "a|b|c", "d|ab|")]
    [DataRow("root ::= [a-cx-z]", "a|b|c|x|z", "d|w|-")]
    [DataRow("root ::= [-a]", "-|a", "b")]
    [DataRow("root ::= [a-a]", "a", "b|-")]
    [DataRow("root ::= [a-]", "-|a", "b")]
    [DataRow("root ::= [^a-c]", "d|é|😀|\n|^", "a|b|c|")]
    [DataRow("root ::= [a^]", "a|^", "b")]
    [DataRow("root ::= [\\]\\[\\-\\^\\\\\"]{1}", "]|[|-|^|\\|\"", "a")]
    [DataRow("root ::= [\\x41-\\x43]", "A|B|C", "D|x|-")]
    [DataRow("root ::= [a\\-c]", "a|-|c", "b")]
    [DataRow("root ::= [é-ü漢😀-😎]", "é|ü|漢|😀|😎", "è|ý|😏")]
    [DataRow("root ::= .", "a|\n|é|漢|😀", "|ab")]
    [DataRow("root ::= \"\\n\\r\\t\\\\\\\"\\[\\]\\-\\^\"", "\n\r\t\\\"[]-^", "nrt")]
    [DataRow("root ::= \"\\x41\\u00e9\\U0001F600\\uFFFF\"", "Aé😀\uFFFF", "A")]
    [DataRow("root ::= \"a\" \"b\" \"c\" nothing | \"x\"\nnothing ::= \"y\"", "abcy|x", "abc|y")]
    public void A_grammar_has_these_texts_and_not_those(string grammar, string accepted, string refused) =>
        GrammarText.Check(GbnfReader.Read(grammar, "root"), accepted.Split('|'), refused.Length == 0 ? [] : refused.Split('|'));

    [TestMethod]
    public void A_literal_may_hold_what_else_is_an_operator()
    {
        GrammarText.Check(GbnfReader.Read("root ::= \"a|b#c(d)[e]*é😀\"", "root"), ["a|b#c(d)[e]*é😀"], ["a", "a|b"]);
        GrammarText.Check(GbnfReader.Read("root ::= [|#()]", "root"), ["|", "#", "(", ")"], ["a"]);
    }

    [TestMethod]
    public void A_set_of_nothing_leaves_nothing() => GrammarText.Refuses(
        static () => new GrammarText(GbnfReader.Read("root ::= []", "root")), ConstraintProblem.Contradictory, "root", "Nothing satisfies it: whatever is begun can't be finished.");

    [TestMethod]
    public void A_text_is_the_rule_that_is_named()
    {
        const string Rules = "root ::= \"a\"\nother ::= root root";
        GrammarText.Check(GbnfReader.Read(Rules, "other"), ["aa"], ["a"]);
        GrammarText.Check(GbnfReader.Read(Rules, "root"), ["a"], ["aa"]);
        GrammarText.Refuses(
            static () => GbnfReader.Read("b ::= \"a\"\na ::= \"a\"", "root"), ConstraintProblem.UndefinedReference, "the grammar", "It has no rule 'root' to begin with; the rules are 'a', 'b'.", "root");
        string many = string.Join('\n', Enumerable.Range(0, 21).Select(static i => $"r{i:00} ::= \"a\""));
        GrammarText.Refuses(
            () => GbnfReader.Read(many, "x"), ConstraintProblem.UndefinedReference, "the grammar", $"It has no rule 'x' to begin with; the rules are {string.Join(", ", Enumerable.Range(0, 20).Select(static i => $"'r{i:00}'"))}.", "x");

        // A rule that is used is not yet defined.
        GrammarText.Refuses(static () => GbnfReader.Read("a ::= root", "root"), ConstraintProblem.UndefinedReference, "the grammar", "It has no rule 'root' to begin with; the rules are 'a'.", "root");
        GrammarText.Refuses(static () => GbnfReader.Read("root ::= (\"a\" nowhere)", "root"), ConstraintProblem.UndefinedReference, "the grammar", "The rule 'nowhere' is used and not defined; define it, or mend its name.", "nowhere");
    }

    [TestMethod]
    [DataRow("= \"a\"", 1, "'=' begins no rule; a rule is a name, '::=' and what it stands for.")]
    [DataRow("root ::= \"a\")", 1, "')' begins no rule; a rule is a name, '::=' and what it stands for.")]
    [DataRow("root = \"a\"", 1, "Behind the name 'root' stands no '::='.")]
    [DataRow("\n\nroot", 3, "Behind the name 'root' stands no '::='.")]
    [DataRow("root\n::= \"a\"", 1, "Behind the name 'root' stands no '::='.")]
    [DataRow("root ::= \"a\"\nroot ::= \"b\"", 2, "The rule 'root' is defined twice; join the two with '|'.")]
    [DataRow("root ::= \"a\"\n\"b\"", 2, "'\"' begins no rule; a rule is a name, '::=' and what it stands for.")]
    [DataRow("root ::=\nb ::= \"a\"", 2, "':' begins nothing that a grammar knows: a literal, a set of characters, a name, a group.")]
    [DataRow("root ::= *", 1, "'*' begins nothing that a grammar knows: a literal, a set of characters, a name, a group.")]
    [DataRow("root ::= \"a\"\n  | ,", 2, "',' begins nothing that a grammar knows: a literal, a set of characters, a name, a group.")]
    [DataRow("root ::= (\"a\"", 1, "A parenthesis is not closed.")]
    [DataRow("root ::= (\"a\"\n\n", 3, "A parenthesis is not closed.")]
    [DataRow("root ::= \"a", 1, "It ends within a literal.")]
    [DataRow("root ::= \"\\x41", 1, "It ends within a literal.")]
    [DataRow("root ::= \"a\\", 1, "It ends within an escape.")]
    [DataRow("root ::= [", 1, "It ends within a set of characters.")]
    [DataRow("root ::= [^", 1, "It ends within a set of characters.")]
    [DataRow("root ::= [a", 1, "It ends within a set of characters.")]
    [DataRow("root ::= [a-", 1, "It ends within a set of characters.")]
    [DataRow("root ::= [b-a]", 1, "A range of characters ends before it begins; exchange the two.")]
    [DataRow("root ::= \"\\q\"", 1, "\\q is no escape; there are \\n, \\r, \\t, \\\\, \\\", \\[, \\], \\xHH, \\uHHHH and \\UHHHHHHHH.")]
    [DataRow("root ::= \"\\x4\"", 1, "\\x needs 2 hexadecimal digits of a character.")]
    [DataRow("root ::= \"\\x4", 1, "\\x needs 2 hexadecimal digits of a character.")]
    [DataRow("root ::= \"\\ud800\"", 1, "\\u needs 4 hexadecimal digits of a character.")]
    [DataRow("root ::= \"\\U00110000\"", 1, "\\U needs 8 hexadecimal digits of a character.")]
    [DataRow("root ::= \"\\UFFFFFFFF\"", 1, "\\U needs 8 hexadecimal digits of a character.")]
    [DataRow("root ::= \"a\"{x}", 1, Count)]
    [DataRow("root ::= \"a\"{}", 1, Count)]
    [DataRow("root ::= \"a\"{2", 1, Count)]
    [DataRow("root ::= \"a\"{1,2,3}", 1, Count)]
    [DataRow("root ::= \"a\"{1,x}", 1, Count)]
    [DataRow("root ::= \"a\"{-1}", 1, Count)]
    [DataRow("root ::= \"a\"{3,2}", 1, "A count has a maximum below its minimum; exchange them.")]
    public void A_grammar_that_can_not_be_read_is_refused_with_its_line(string grammar, int line, string message) =>
        GrammarText.Refuses(() => GbnfReader.Read(grammar, "root"), ConstraintProblem.Syntax, $"line {line} of the grammar", message);

    [TestMethod]
    public void Half_of_a_surrogate_pair_is_refused()
    {
        foreach (string half in (string[])["\uD83D", "\uDE00"])
            GrammarText.Refuses(() => GbnfReader.Read($"root ::= \"{half}\"", "root"), ConstraintProblem.Syntax, "line 1 of the grammar", "It holds half of a surrogate pair.");
    }

    [TestMethod]
    [DataRow("<think>", "<")]
    [DataRow("!<think>", "!")]
    public void Tokens_are_not_supported(string atom, string keyword) => GrammarText.Refuses(
        () => GbnfReader.Read($"root ::= \"a\"\n| {atom}", "root"), ConstraintProblem.Unsupported, "line 2 of the grammar", $"It names a token with '{keyword}', which is not supported. Write the token's text as a literal.", keyword);

    [TestMethod]
    public void A_repetition_counts_to_100000()
    {
        foreach (string count in (string[])["{100000}", "{100000,}", "{0,100000}"]) Assert.IsNotNull(GbnfReader.Read($"root ::= \"a\"{count}", "root"));
        foreach (string count in (string[])["{100001}", "{100001,}", "{0,100001}"])
            GrammarText.Refuses(() => GbnfReader.Read($"root ::= \"a\"{count}", "root"), ConstraintProblem.TooLarge, "line 1 of the grammar", "It asks for 100001 repetitions; the most are 100000.");
    }

    [TestMethod]
    public void Groups_are_nested_to_a_depth()
    {
        Assert.IsTrue(new GrammarText(GbnfReader.Read(Nested(256), "root")).Accepts("a"));
        GrammarText.Refuses(static () => GbnfReader.Read(Nested(257), "root"), ConstraintProblem.TooLarge, "line 1 of the grammar", "Its groups or quantifiers are nested more than 256 deep; make rules of the inner ones.");
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(static () => GbnfReader.Read(Nested(100_000), "root")).Problem);
        Assert.IsTrue(new GrammarText(GbnfReader.Read("root ::= " + string.Concat(Enumerable.Repeat("(\"a\") ", 300)), "root")).Accepts(new string('a', 300)));

        Assert.IsTrue(new GrammarText(GbnfReader.Read("root ::= \"a\"" + new string('?', 256), "root")).Accepts("a"));
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(static () => GbnfReader.Read("root ::= \"a\"" + new string('?', 100_000), "root")).Problem);

        static string Nested(int depth) => "root ::= " + new string('(', depth) + "\"a\"" + new string(')', depth);
    }
}

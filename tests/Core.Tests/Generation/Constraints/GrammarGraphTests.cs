namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class GrammarGraphTests
{
    [TestMethod]
    public void A_grammar_keeps_its_rules_in_order_and_has_at_most_100000()
    {
        var grammar = new Grammar();
        Assert.AreEqual((0, 1), (grammar.Declare("a"), grammar.Declare("b")));
        grammar.Define(1, Expression.Of("x"));
        Assert.AreEqual(("a", Expression.Never), grammar.Rules[0]);
        Assert.AreEqual(("b", Expression.Of("x")), grammar.Rules[1]);
        Assert.AreEqual("text", Grammar.Of(Expression.Empty).Rules[0].Name);
        for (int i = 2; i < 100_000; i++) grammar.Declare("c");
        GrammarText.Refuses(() => grammar.Declare("the last"), ConstraintProblem.TooLarge, "the last", "It needs more than 100000 rules; lower the counts of properties or repetitions.");
    }

    [TestMethod]
    public void A_graph_has_at_most_1000000_places() => GrammarText.Refuses(
        static () => GrammarGraph.Build(GbnfReader.Read("root ::= (\"aaaaaaaaaa\"){100000}", "root"), null), ConstraintProblem.TooLarge, "root", "It needs more than 1000000 places; lower the counts of repetitions or the lengths.");

    [TestMethod]
    public void A_graph_has_no_empty_moves_and_every_place_reaches_the_end_of_its_rule()
    {
        foreach (string rules in (string[])
        [
            "root ::= (\"a\"? \"b\"? | root2)* \"c\"\nroot2 ::= \"x\" (\"y\" | root2 | dead) | \"\"\ndead ::= \"z\" dead",
            "root ::= \"a\" dead | \"b\" [] | \"c\" item{0,3} \"é漢😀\"\nitem ::= [^a]\ndead ::= dead2 \"a\"\ndead2 ::= \"b\" dead",
        ])
        {
            GrammarGraph graph = GrammarGraph.Build(GbnfReader.Read(rules, "root"), null);
            Assert.IsTrue(graph.Nodes.All(static node => node.Empty.Count == 0));
            var seen = new HashSet<int> { graph.Root };
            var open = new Stack<int>(seen);
            while (open.TryPop(out int place))
            {
                GrammarGraph.Node node = graph.Nodes[place];
                Assert.IsTrue(node.IsEnd || node.Bytes.Count + node.Calls.Count > 0, "a dead end");
                Assert.AreEqual(node.Bytes.Count, node.Bytes.Distinct().Count(), "an edge twice");
                Assert.AreEqual(node.Calls.Count, node.Calls.Distinct().Count(), "a call twice");
                foreach (int next in node.Bytes.Select(static edge => edge.To).Concat(node.Calls.Select(static call => call.To)).Concat(node.Calls.Select(call => graph.Starts[call.Rule])))
                {
                    if (seen.Add(next)) open.Push(next);
                }
            }
        }
    }

    [TestMethod]
    public void What_can_not_be_finished_is_not_begun()
    {
        var text = new GrammarText(GbnfReader.Read("root ::= \"a\" dead | \"b\" [] | \"c\" (\"d\" dead | \"e\")\ndead ::= \"x\" dead", "root"));
        Assert.IsTrue(text.Accepts("ce") && text.Begins("c"));
        foreach (string one in (string[])["a", "b", "cd"]) Assert.IsFalse(text.Begins(one), one);
    }

    [TestMethod]
    [DataRow("root ::= root \"a\" | \"b\"", "root")]
    [DataRow("root ::= \"\" root | \"b\"", "root")]
    [DataRow("root ::= \"x\" a\na ::= \"x\"? b\nb ::= a \"y\" | \"z\"", "a")]
    [DataRow("root ::= \"x\" | none none root\nnone ::= \"y\"?", "root")]
    [DataRow("root ::= none* root | \"x\"\nnone ::= \"y\" none | none2\nnone2 ::= \"\"", "root")]
    [DataRow("root ::= \"x\"\nother ::= other | \"y\"", "other")]
    [DataRow("root ::= a\na ::= b \"x\" | \"y\"\nb ::= c | \"q\"\nc ::= a | \"z\"", "a")]
    public void A_rule_that_begins_with_itself_is_refused(string rules, string name) => GrammarText.Refuses(
        () => GrammarGraph.Build(GbnfReader.Read(rules, "root"), null), ConstraintProblem.LeftRecursion, name,
        $"The rule '{name}' begins with itself; write the repetition instead, such as 'list ::= item (\",\" item)*' for 'list ::= list \",\" item | item'.");

    [TestMethod]
    [DataRow("root ::= \"a\" root | \"b\"", "b|ab|aab", "a|ba|")]
    [DataRow("root ::= \"(\" root \")\" root | \"\"", "|()|(())|()()|(()())()", "(|)|(()|())")]
    [DataRow("root ::= (\"p\" a | \"q\" b | \"r\" a) \"x\"\na ::= \"1\"\nb ::= \"2\"", "p1x|q2x|r1x", "p2x|q1x|px")]
    [DataRow("a ::= \"1\"\nb ::= \"2\"\nroot ::= (\"p\" a | \"q\" b | \"r\" a) \"x\"", "p1x|q2x|r1x", "p2x|q1x|px")]
    [DataRow("root ::= wrap root | \"x\"\nwrap ::= item\nitem ::= \"a\"", "x|ax|aax", "a|xa")]
    [DataRow("root ::= a \"x\"?\na ::= \"1\"", "1|1x", "x|1xx")]
    [DataRow("root ::= a a?\na ::= \"1\"", "1|11", "|111")]
    [DataRow("root ::= item root | \"x\"\nitem ::= \"a\"", "x|ax|aax", "a|xa")]
    [DataRow("root ::= none \"x\" root | none\nnone ::= \"y\"?", "|y|x|yx|xy|yxyxy", "yy|xyy")]
    [DataRow("root ::= a a\na ::= b | c\nb ::= \"b\" c?\nc ::= \"c\" b?", "bb|bc|cb|cc|bcb|bccb|cbcb", "b|c|")]
    [DataRow("root ::= [a-é] [é-漢] [漢-😀]{1,2}", "aé漢|éü😀|b漢😀漢", "漢é漢|aa漢|aé|aéé")]
    public void A_grammar_that_calls_itself_behind_something_has_these_texts(string rules, string accepted, string refused) =>
        GrammarText.Check(GbnfReader.Read(rules, "root"), accepted.Split('|'), refused.Split('|'));

    [TestMethod]
    public void Why_nothing_satisfies_a_grammar_is_told()
    {
        const string Finite = "Nothing finite satisfies it: each way through it leads into itself again. Give it a way out, such as a property that is not required, or an alternative.";
        Refuses("root ::= \"a\" root", ConstraintProblem.EndlessRecursion, "root", Finite);
        Refuses("fine ::= \"x\"\nroot ::= fine a\na ::= \"a\" b\nb ::= \"b\" a", ConstraintProblem.EndlessRecursion, "a", Finite);
        Refuses("root ::= \"a\" []", ConstraintProblem.Contradictory, "root", "Nothing satisfies it: whatever is begun can't be finished.");

        // A contradiction that was met on the way is the reason; of a grammar that can be satisfied it is none.
        Grammar grammar = GbnfReader.Read("root ::= \"a\" []", "root");
        grammar.Contradiction = new ConstraintException(ConstraintProblem.Contradictory, "there", "For this reason.");
        Assert.AreSame(grammar.Contradiction, Assert.ThrowsExactly<ConstraintException>(() => GrammarGraph.Build(grammar, null)));
        grammar = GbnfReader.Read("root ::= \"a\" [] | \"b\"", "root");
        grammar.Contradiction = new ConstraintException(ConstraintProblem.Contradictory, "there", "For this reason.");
        Assert.IsNotNull(GrammarGraph.Build(grammar, null));

        static void Refuses(string rules, ConstraintProblem problem, string location, string message) => GrammarText.Refuses(() => GrammarGraph.Build(GbnfReader.Read(rules, "root"), null), problem, location, message);
    }

    [TestMethod]
    public void Characters_that_can_not_be_written_are_named()
    {
        const string Without = "without which nothing satisfies it; take a byte-level tokenizer, or one that knows these characters.";
        CodePointSet letters = CodePointSet.OfCharacters("abé");
        Refuses("root ::= \"axé漢\" \"😀\"", "'x' (U+0078), '漢' (U+6F22), '😀' (U+1F600)");
        Refuses("root ::= [x-z] | \"a\" [漢]", "'x' (U+0078), '漢' (U+6F22)");
        Refuses("root ::= \"0123456789\"", "'0' (U+0030), '1' (U+0031), '2' (U+0032), '3' (U+0033), '4' (U+0034), '5' (U+0035), '6' (U+0036), '7' (U+0037), '8' (U+0038), '9' (U+0039)");
        Refuses("root ::= \"0123456789x\"", "'0' (U+0030), '1' (U+0031), '2' (U+0032), '3' (U+0033), '4' (U+0034), '5' (U+0035), '6' (U+0036), '7' (U+0037), '8' (U+0038), '9' (U+0039), …");
        Assert.IsNotNull(GrammarGraph.Build(GbnfReader.Read("root ::= \"x\" | [a-z] | \"é\"", "root"), letters));

        // Nothing is missing where the grammar itself is at fault.
        GrammarText.Refuses(() => GrammarGraph.Build(GbnfReader.Read("root ::= \"a\" []", "root"), letters), ConstraintProblem.Contradictory, "root", "Nothing satisfies it: whatever is begun can't be finished.");

        void Refuses(string rules, string characters) => GrammarText.Refuses(
            () => GrammarGraph.Build(GbnfReader.Read(rules, "root"), letters), ConstraintProblem.MissingCharacters, "root", $"The tokenizer has no token for {characters}, {Without}");
    }

    [TestMethod]
    public void Repetitions_of_what_may_be_empty_are_limited_before_they_take_all_memory() => GrammarText.Refuses(
        static () => GrammarGraph.Build(GbnfReader.Read("root ::= (\"a\"?){20000}", "root"), null), ConstraintProblem.TooLarge, "root",
        "Its repetitions of what may be empty can be left out in too many ways; lower their counts, or repeat what is not empty.");
}

using System.Runtime.CompilerServices;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class GrammarAutomatonTests
{
    private static readonly string[] s_grammars =
    [
        "root ::= (\"a\" | \"ab\" | \"abc\")* \"c\"",
        "root ::= \"a\" root \"b\" | \"ab\"",
        "root ::= \"ab\" root \"c\" | \"abc\" root \"bc\" | \"\"",
        "root ::= item (\",\" item)*\nitem ::= [a-c]+ | \"[\" root \"]\" | \"(\" root \")\"",
        "root ::= word (\" \" word)* \".\"\nword ::= [a-zé漢]{1,5} | \"(\" root \")\"",
        "root ::= x x x\nx ::= \"a\"? y\ny ::= \"b\"? z\nz ::= \"c\"?",
        "root ::= pair pair\npair ::= left \"b\" right | \"ab\"\nleft ::= \"a\" left | \"\"\nright ::= \"c\" right | \"a\"",
        "root ::= [^a-y]* tail\ntail ::= \"a\" deep \"a\" | \"b\"\ndeep ::= \"b\" deep \"b\" | \"c\" deep2\ndeep2 ::= \"\" | \"bcb\"",
    ];

    [TestMethod]
    public void A_token_may_come_where_all_its_bytes_may()
    {
        foreach (GptTokenizer tokenizer in (GptTokenizer[])[GrammarText.Bytes(), SampleTexts.TrainSmall()])
        {
            foreach (string rules in s_grammars)
            {
                GrammarAutomaton automaton = new GrammarText(GbnfReader.Read(rules, "root"), tokenizer).Automaton;
                var random = new Random(1);
                for (int text = 0; text < 4; text++)
                {
                    GrammarAutomaton.State state = automaton.Start;
                    for (int length = 0; length < 25; length++)
                    {
                        byte[] mask = automaton.TokensAfter(state);
                        Assert.HasCount((tokenizer.VocabularySize + 7) / 8 + 8, mask);
                        List<int> allowed = [];
                        for (int id = 0; id < tokenizer.VocabularySize; id++)
                        {
                            bool expected = !tokenizer.IsSpecialToken(id) && !ReferenceEquals(tokenizer.GetTokenBytes(id).ToArray().Aggregate(state, automaton.Step), automaton.Dead);
                            if (expected != ((mask[id >> 3] & (1 << (id & 7))) != 0)) Assert.Fail($"{rules}: token {id} after {length}: {!expected}");
                            if (expected) allowed.Add(id);
                        }

                        if (allowed.Count == 0)
                        {
                            Assert.IsTrue(state.IsAccepting, "a dead end");
                            break;
                        }

                        // Longer tokens as often as bytes.
                        int[] longer = [.. allowed.Where(id => tokenizer.GetTokenBytes(id).Length > 1)];
                        int next = longer.Length > 0 && random.Next(2) == 0 ? longer[random.Next(longer.Length)] : allowed[random.Next(allowed.Count)];
                        state = automaton.Step(state, next);
                    }
                }
            }
        }
    }

    // Forty letters, one after the other: 41 states, each with a set of one token. Of sets the eleventh is one too many.
    [TestMethod]
    [DataRow(10, 1_000, 10)]
    [DataRow(1_000, 10, 11)]
    [DataRow(1_000, 1_000, 41)]
    public void What_is_remembered_is_forgotten_where_it_is_too_much_and_the_text_goes_on(int mostStates, int mostMasks, int expected)
    {
        string text = string.Concat(Enumerable.Range(0, 40).Select(static i => (char)('a' + (i * 7 % 26))));
        var automaton = new GrammarAutomaton(GbnfReader.Read($"root ::= \"{text}\"", "root"), TokenTrie.Of(GrammarText.Bytes())) { MostStates = mostStates, MostMasks = mostMasks };
        GrammarAutomaton.State state = automaton.Start;
        int most = 0;
        foreach (char letter in text)
        {
            byte[] mask = automaton.TokensAfter(state);
            Assert.IsTrue((mask[letter >> 3] & (1 << (letter & 7))) != 0, "A byte's token has its number.");
            state = automaton.Step(state, (byte)letter);
            most = Math.Max(most, automaton.StateCount);
        }

        Assert.IsTrue(state.IsAccepting);
        Assert.AreEqual(expected, most);
    }

    // Each state of this language is in as many places as there are letters "a" among the last 200: to keep all states would take more and more.
    [TestMethod]
    public void Of_ambiguous_grammars_fewer_states_are_remembered_and_the_text_goes_on()
    {
        Grammar grammar = Grammar.Of(RegexReader.ReadWhole("^[ab]*a[ab]{200}$"));
        GrammarAutomaton all = new(grammar, TokenTrie.Of(GrammarText.Bytes())), few = new(grammar, TokenTrie.Of(GrammarText.Bytes())) { MostKeptConfigurations = 1_000 };
        (GrammarAutomaton.State ofAll, GrammarAutomaton.State ofFew) = (all.Start, few.Start);
        var random = new Random(1);
        for (int length = 0; length < 400; length++)
        {
            CollectionAssert.AreEqual(all.TokensAfter(ofAll), few.TokensAfter(ofFew));
            byte letter = (byte)(random.Next(2) == 0 ? 'a' : 'b');
            (ofAll, ofFew) = (all.Step(ofAll, letter), few.Step(ofFew, letter));
            Assert.AreEqual(ofAll.IsAccepting, ofFew.IsAccepting);
            Assert.IsLessThanOrEqualTo(1_000, few.KeptConfigurations);
        }

        Assert.IsGreaterThan(10_000, all.KeptConfigurations);
    }

    [TestMethod]
    public void What_a_forgotten_state_led_to_is_let_go()
    {
        var automaton = new GrammarAutomaton(GbnfReader.Read("root ::= [a-z]{1,100}", "root"), TokenTrie.Of(GrammarText.Bytes())) { MostStates = 10 };
        GrammarAutomaton.State held = automaton.Start;
        WeakReference next = StepOn(automaton, held);
        GC.Collect();
        Assert.IsFalse(next.IsAlive, "A sequence that stands still would keep all that was computed from there.");
        GC.KeepAlive(held);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference StepOn(GrammarAutomaton automaton, GrammarAutomaton.State state)
        {
            GrammarAutomaton.State first = automaton.Step(state, (byte)'a');
            state = first;
            for (int i = 0; i < 50; i++) state = automaton.Step(state, (byte)'a');
            return new WeakReference(first);
        }
    }

    // Brackets in brackets: what may come inside one is alike at every depth and computed once, and what a token that closes two may go on with is computed for each.
    [TestMethod]
    public void Sets_of_tokens_that_reach_over_the_end_of_a_rule_count_each()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromTiktoken(folder.Write("t.tiktoken", TokenizerFiles.Tiktoken() + "KSk= 258\n")); // "))"
        var automaton = new GrammarAutomaton(GbnfReader.Read("root ::= \"(\" root \")\" | \"a\"", "root"), TokenTrie.Of(tokenizer)) { MostMasks = 10 };
        GrammarAutomaton.State state = automaton.Start;
        for (int depth = 0; depth < 30; depth++) state = automaton.Step(state, (byte)'(');
        state = automaton.Step(state, (byte)'a');
        int before = automaton.StateCount, least = before;
        for (int depth = 30; depth > 0; depth--)
        {
            byte[] mask = automaton.TokensAfter(state);
            Assert.AreEqual(depth > 1, (mask[258 >> 3] & (1 << (258 & 7))) != 0, $"depth {depth}");
            state = automaton.Step(state, (byte)')');
            least = Math.Min(least, automaton.StateCount);
        }

        Assert.IsTrue(state.IsAccepting);
        Assert.IsLessThan(before, least, "The states of the way down are forgotten.");
    }

    [TestMethod]
    public void A_text_goes_on_where_one_of_the_language_begins_with_it()
    {
        // Languages with all their texts of up to six letters.
        foreach (string rules in (string[])
        [
            "root ::= \"a\" root \"b\" | \"ab\"", "root ::= (\"a\" | \"ab\" | \"abc\")* \"c\"", "root ::= x x\nx ::= \"a\" | \"b\" x \"c\"", "root ::= \"a\"{2,3} tail?\ntail ::= \"b\" tail | \"c\"",
            "root ::= x \"a\" | \"c\" x\nx ::= y y\ny ::= \"a\" | \"b\" | \"\"",
        ])
        {
            var text = new GrammarText(GbnfReader.Read(rules, "root"));
            string[] accepted = [.. GrammarText.All("abc", 6).Where(text.Accepts)];
            Assert.IsNotEmpty(accepted);
            foreach (string one in GrammarText.All("abc", 2))
                Assert.AreEqual(accepted.Any(longer => longer.StartsWith(one, StringComparison.Ordinal)), text.Begins(one), $"{rules}: '{one}'");
        }

        // By hand, since the automaton itself was asked above.
        var nested = new GrammarText(GbnfReader.Read(s_grammars[1], "root"));
        CollectionAssert.AreEqual(new[] { "aaabbb", "aabb", "ab" }, GrammarText.All("ab", 6).Where(nested.Accepts).Order(StringComparer.Ordinal).ToArray());
    }

    [TestMethod]
    public void Nothing_follows_a_text_that_is_none_and_a_special_token_leads_nowhere()
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        GrammarAutomaton automaton = new GrammarText(GbnfReader.Read("root ::= \"a\"+", "root"), tokenizer).Automaton;
        Assert.AreSame(automaton.Dead, automaton.Step(automaton.Start, tokenizer.EndOfTextId));
        Assert.AreSame(automaton.Dead, automaton.Step(automaton.Start, -1));
        Assert.AreSame(automaton.Dead, automaton.Step(automaton.Start, tokenizer.VocabularySize));
        Assert.AreSame(automaton.Dead, automaton.Step(automaton.Start, (byte)'b'));
        Assert.AreSame(automaton.Dead, automaton.Step(automaton.Dead, (byte)'a'));
        Assert.IsFalse(automaton.Dead.IsAccepting);
        Assert.IsTrue(automaton.TokensAfter(automaton.Dead).All(static bits => bits == 0));
        GrammarAutomaton.State once = automaton.Step(automaton.Start, (byte)'a');
        GrammarAutomaton.State twice = automaton.Step(once, (byte)'a');
        Assert.AreSame(twice, automaton.Step(twice, (byte)'a'), "States are shared.");
        Assert.AreSame(automaton.TokensAfter(once), automaton.TokensAfter(once));
        var nested = new GrammarText(GbnfReader.Read(s_grammars[1], "root"), tokenizer);
        GrammarAutomaton.State deep = nested.After("aaa");
        Assert.AreSame(nested.Automaton.TokensAfter(deep), nested.Automaton.TokensAfter(deep));
        GrammarAutomaton.State start = automaton.Start;
        Assert.AreSame(start, automaton.Start);
    }

    [TestMethod]
    public void All_bytes_of_a_range_lead_the_same_way_and_those_beside_it_another()
    {
        foreach ((byte first, byte last) in ((byte, byte)[])[(0, 0), (0, 0x7F), (1, 1), (0x20, 0x7E), (0x7F, 0x7F), (0x61, 0x63)])
        {
            var set = CodePointSet.Range(first, last);
            var text = new GrammarText(Grammar.Of(Expression.Of(set)));
            for (int value = 0; value < 256; value++) Assert.AreEqual(value >= first && value <= last, text.Accepts((byte)value), $"{value} in {first} to {last}");
        }

        var any = new GrammarText(Grammar.Of(Expression.Of(CodePointSet.All)));
        for (int value = 0; value < 256; value++) Assert.AreEqual(value < 0x80, any.Accepts((byte)value), $"{value}");
        Assert.IsTrue(any.Accepts(0xF4, 0x8F, 0xBF, 0xBF) && !any.Accepts(0xF4, 0x90, 0x80, 0x80) && !any.Accepts(0xED, 0xA0, 0x80) && !any.Accepts(0xC1, 0x80) && !any.Accepts(0xFF));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void What_was_made_for_a_long_text_is_forgotten_and_made_again()
    {
        // More masks than are kept, each of them right.
        GptTokenizer tokenizer = GrammarText.Bytes();
        GrammarAutomaton automaton = new GrammarText(GbnfReader.Read("root ::= (\"[\" \"a\"{2,4500} \"]\")+", "root"), tokenizer).Automaton;
        for (int round = 0; round < 2; round++)
        {
            GrammarAutomaton.State state = automaton.Step(automaton.Start, (byte)'[');
            for (int length = 0; length <= 4_500; length++)
            {
                byte[] mask = automaton.TokensAfter(state);
                Assert.AreEqual(length < 4_500, (mask['a' >> 3] & (1 << ('a' & 7))) != 0);
                Assert.AreEqual(length >= 2, (mask[']' >> 3] & (1 << (']' & 7))) != 0);
                Assert.IsFalse((mask['b' >> 3] & (1 << ('b' & 7))) != 0);
                if (length < 4_500) state = automaton.Step(state, (byte)'a');
            }

            Assert.IsTrue(automaton.Step(state, (byte)']').IsAccepting);
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void More_states_than_are_kept_are_read_too()
    {
        var text = new GrammarText(Grammar.Of(Expression.Then(Expression.Times(Expression.Of("a"), 100_000, 100_000), Expression.Of("bc"))));
        byte[] letters = new byte[100_000];
        letters.AsSpan().Fill((byte)'a');
        for (int round = 0; round < 2; round++)
        {
            GrammarAutomaton.State state = text.After(letters);
            Assert.IsTrue("bc"u8.ToArray().Aggregate(state, text.Automaton.Step).IsAccepting);
            Assert.AreSame(text.Automaton.Dead, text.Automaton.Step(state, (byte)'a'));
        }
    }

    [TestMethod]
    public void A_text_can_be_read_in_at_most_20000_ways_at_once()
    {
        // n calls of a rule that may be empty are 2n places at which a text may stand before its first letter: the beginning, n times the rule, and n - 1 times the place behind it.
        Assert.IsTrue(new GrammarText(GbnfReader.Read("root ::= x{10000}\nx ::= \"a\"?", "root")).Automaton.Start.IsAccepting);
        GrammarText.Refuses(
            static () => new GrammarText(GbnfReader.Read("root ::= x{10001}\nx ::= \"a\"?", "root")).Automaton.Start, ConstraintProblem.TooLarge, "the grammar",
            "A text can be read in more than 20000 ways at once; make the grammar less ambiguous.");
    }
}

using System.Text.RegularExpressions;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class CharacterMachineTests
{
    // .NET's Regex says what each accepts.
    private static readonly string[] s_patterns =
    [
        "", "a", "ab|ba", "a*", "(?:ab)*", "(?:a|bb)*c?", "a{2,3}", "a{0,2}b", "(?:a*b)*", "(?:a*b*)*", "(?:a?b?){2}", "(?:ab?)+", "[ab]*c[ab]*", "(?:a|b*)c", "a+b+c+", "(?:|a)(?:|b)", "(?:a{2})*", "(?:a|ab)(?:c|bc)",
        "(?:(?:ab)*c)*a?", "(?:a*){2,3}b",
    ];

    private static readonly string[] s_texts = [.. GrammarText.All("abc", 5)];

    [TestMethod]
    public void A_machine_accepts_what_its_expression_does()
    {
        foreach (string pattern in s_patterns)
        {
            var judge = new Regex($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant);
            GrammarText text = Of(CharacterMachine.Of(RegexReader.ReadWhole(pattern)));
            foreach (string one in s_texts) Assert.AreEqual(judge.IsMatch(one), text.Accepts(one), $"'{one}' and '{pattern}'");
        }
    }

    [TestMethod]
    public void An_intersection_accepts_what_both_do()
    {
        for (int i = 0; i < s_patterns.Length; i++)
        {
            // Each with two others.
            foreach (int step in (int[])[1, 7])
            {
                (string first, string second) = (s_patterns[i], s_patterns[(i + step) % s_patterns.Length]);
                Regex judge = new($@"\A(?:{first})\z", RegexOptions.CultureInvariant), other = new($@"\A(?:{second})\z", RegexOptions.CultureInvariant);
                CharacterMachine both = CharacterMachine.Of(RegexReader.ReadWhole(first)).Intersect(CharacterMachine.Of(RegexReader.ReadWhole(second)));
                string[] expected = [.. s_texts.Where(one => judge.IsMatch(one) && other.IsMatch(one))];
                Assert.AreEqual(expected.Length == 0, both.IsEmpty(), $"{first} and {second}");
                if (expected.Length == 0) continue;
                GrammarText text = Of(both);
                CollectionAssert.AreEqual(expected, s_texts.Where(text.Accepts).ToArray(), $"{first} and {second}");
            }
        }
    }

    [TestMethod]
    public void Sets_that_overlap_meet_in_what_they_share()
    {
        CharacterMachine both = CharacterMachine.Of(RegexReader.ReadWhole("[a-f]+[x-z]")).Intersect(CharacterMachine.Of(RegexReader.ReadWhole("[d-y]{2,3}")));
        GrammarText text = Of(both);
        foreach (string one in (string[])["dx", "fy", "dey"]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])["cx", "gx", "dz", "defx", "d", "x", "", "de"]) Assert.IsFalse(text.Accepts(one), one);
    }

    [TestMethod]
    public void A_machine_is_empty_where_no_way_leads_to_an_end()
    {
        Assert.IsTrue(CharacterMachine.Of(Expression.Never).IsEmpty());
        Assert.IsTrue(CharacterMachine.Of(Expression.Of(CodePointSet.Empty)).IsEmpty());
        Assert.IsTrue(CharacterMachine.Of(Expression.Then(Expression.Of("a"), Expression.Never)).IsEmpty());
        Assert.IsTrue(CharacterMachine.Of(Expression.Then(Expression.Never, Expression.Of("a"))).IsEmpty());
        Assert.IsTrue(CharacterMachine.Of(Expression.Times(Expression.Never, 1, 3)).IsEmpty());
        Assert.IsFalse(CharacterMachine.Of(Expression.Times(Expression.Never, 0, 3)).IsEmpty());
        Assert.IsFalse(CharacterMachine.Of(Expression.Times(Expression.Never, 0, null)).IsEmpty());
        Assert.IsFalse(CharacterMachine.Of(Expression.Empty).IsEmpty());
        Assert.IsFalse(CharacterMachine.Of(Expression.Of("aaaa")).IsEmpty());

        // A loop that nothing leaves.
        Assert.IsTrue(CharacterMachine.Of(Expression.Then(Expression.Times(Expression.Of("a"), 1, null), Expression.Never)).IsEmpty());
    }

    [TestMethod]
    public void A_length_counts_characters_of_any_kind()
    {
        GrammarText text = Of(CharacterMachine.OfLength(1, 3));
        foreach (string one in (string[])["a", "é", "漢", "😀", "😀é漢", "\0\n"]) Assert.IsTrue(text.Accepts(one), one);
        foreach (string one in (string[])["", "abcd", "😀😀😀😀"]) Assert.IsFalse(text.Accepts(one), one);
        text = Of(CharacterMachine.OfLength(2, null));
        Assert.IsTrue(text.Accepts("ab") && text.Accepts("😀abcdefg") && !text.Accepts("a") && !text.Accepts(""));
    }

    [TestMethod]
    public void Each_set_is_written_once_as_told()
    {
        List<string> asked = [];
        Expression expression = CharacterMachine.Of(RegexReader.ReadWhole("ab[ab]a")).ToExpression(set =>
        {
            asked.Add(set.Key);
            return Expression.Of(set.Contains('b') ? "y" : "x");
        });
        CollectionAssert.AreEqual(new[] { "97,97", "98,98", "97,98" }, asked);
        GrammarText.Check(Grammar.Of(expression), ["xyyx"], ["abaa", "xyxx", "xyy"]);
    }

    [TestMethod]
    public void A_machine_has_at_most_100000_states()
    {
        // The beginning and one for each character.
        Assert.IsFalse(CharacterMachine.OfLength(99_999, 99_999).IsEmpty());
        GrammarText.Refuses(
            static () => CharacterMachine.OfLength(100_000, 100_000), ConstraintProblem.TooLarge, "a pattern",
            "Pattern and lengths together need more than 100000 states; lower the counts of repetitions or the length.");
    }

    // 10^10 repetitions of nothing, or of what no character is: they add no state, and would be gone through one by one.
    [TestMethod]
    [Timeout(60_000)]
    public void Repetitions_that_add_no_state_count_too()
    {
        foreach (Expression nothing in (Expression[])[Expression.Empty, Expression.Of(CodePointSet.Empty)])
        {
            GrammarText.Refuses(
                () => CharacterMachine.Of(Expression.Times(Expression.Times(nothing, 100_000, 100_000), 100_000, 100_000)), ConstraintProblem.TooLarge, "a pattern",
                "Pattern and lengths together need more than 20000000 steps; lower the counts of repetitions or the length.");
        }
    }

    // 2,000 ways on from one state of either: 4,000,000 pairs, of which none goes on, for each of many pairs of states.
    [TestMethod]
    [Timeout(60_000)]
    public void Pairs_that_do_not_go_on_count_too()
    {
        static CharacterMachine Of(int first) => CharacterMachine.Of(Expression.Then(
            Expression.Times(Expression.Of(CodePointSet.Of('a')), 20, 20), Expression.AnyOf([.. Enumerable.Range(0, 2_000).Select(i => Expression.Of(CodePointSet.Of(first + i)))]), Expression.Of("b")));
        Assert.IsTrue(Of(0x3400).Intersect(Of(0x4E00)).IsEmpty());
        Expression many = Expression.Times(Expression.AnyOf([.. Enumerable.Range(0, 700).Select(static i => Expression.Of(CodePointSet.Of(0x3400 + i)))]), 0, null);
        var machine = CharacterMachine.Of(many);
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(() => machine.Intersect(machine)).Problem);
    }

    [TestMethod]
    public void A_call_is_nothing_that_a_machine_can_follow()
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(static () => CharacterMachine.Of(new Expression.Call(0)));
        Assert.AreEqual("Call is no expression over characters.", error.Message);
    }

    private static GrammarText Of(CharacterMachine machine) => new(Grammar.Of(machine.ToExpression(Expression.Of)));
}

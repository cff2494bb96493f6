namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class ExpressionTests
{
    private static readonly Expression A = Expression.Of("a"), B = Expression.Of("b");

    [TestMethod]
    public void One_part_is_that_part_itself()
    {
        Assert.AreSame(A, Expression.Then(A));
        Assert.AreSame(A, Expression.AnyOf(A));
        Assert.AreSame(A, Expression.Times(A, 1, 1));
        Assert.IsInstanceOfType<Expression.Sequence>(Expression.Then(A, B));
        Assert.IsInstanceOfType<Expression.Choice>(Expression.AnyOf(A, B));
        foreach ((int min, int? max) in ((int, int?)[])[(1, 2), (0, 1), (1, null), (2, 2)])
        {
            var repeat = (Expression.Repeat)Expression.Times(A, min, max);
            Assert.AreEqual((min, max), (repeat.Min, repeat.Max));
        }
    }

    [TestMethod]
    public void What_can_be_empty_says_so()
    {
        Expression[] empty =
        [
            Expression.Empty, Expression.Then(), Expression.Then(Expression.Empty, Expression.Optional(A)), Expression.AnyOf(A, Expression.Empty), Expression.Optional(A), Expression.Times(A, 0, 3), Expression.Times(A, 0, null),
            Expression.Times(Expression.Empty, 2, 3), new Expression.Anchor(true), new Expression.Anchor(false),
        ];
        Expression[] written =
        [
            A, Expression.Of(CodePointSet.Of('a')), Expression.Never, Expression.Then(Expression.Empty, A), Expression.AnyOf(A, B), Expression.Times(A, 1, 3), Expression.Times(A, 2, null), new Expression.Call(0),
            new Expression.Accepted([(true, [])]),
        ];
        foreach (Expression expression in empty) Assert.IsTrue(expression.CanBeEmpty, expression.ToString());
        foreach (Expression expression in written) Assert.IsFalse(expression.CanBeEmpty, expression.ToString());
    }

    [TestMethod]
    public void The_texts_are_those_that_the_parts_tell()
    {
        Check(Expression.Empty, "", "a");
        Check(A, "a", "|aa|b");
        Check(Expression.Then(), "", "a");
        Check(Expression.Then(A, B, A), "aba", "|ab|abab");
        Check(Expression.AnyOf(A, B), "a|b", "|ab");
        Check(Expression.Optional(A), "|a", "aa|b");
        Check(Expression.Times(A, 2, 4), "aa|aaa|aaaa", "|a|aaaaa");
        Check(Expression.Times(A, 0, 0), "", "a");
        Check(Expression.Times(A, 2, null), "aa|aaa|aaaaaaaaa", "|a");
        Check(Expression.Times(Expression.AnyOf(A, Expression.Empty), 0, null), "|a|aaa", "b");
        Check(Expression.Then(Expression.Times(A, 0, null), Expression.Times(B, 0, null), A), "a|aa|ba|aabba", "|b|ab|abab");
        Check(Expression.Times(Expression.AnyOf(Expression.Times(A, 1, null), B), 2, 3), "aa|ab|ba|bbb|aaaaa|aaba|abaa", "|a|b|bbbb|babab");
        Check(Expression.AnyOf(Expression.Times(A, 0, null), B), "|a|aa|b", "ab|ba|bb");
        Check(new Expression.Accepted([(false, [(A, 1), (B, 0)]), (true, [(Expression.Of("cc"), 0), (A, 2)]), (true, [])]), "a|ba|bba|acca|accba|aa|accaa", "|b|ac|acc|aaa");
        Check(Expression.Of("é漢😀"), "é漢😀", "é|é漢|e漢😀|é漢😎");

        static void Check(Expression expression, string accepted, string refused) => GrammarText.Check(Grammar.Of(expression), accepted.Split('|'), refused.Split('|'));
    }

    [TestMethod]
    public void A_character_is_all_its_bytes_and_no_more()
    {
        foreach (Expression expression in (Expression[])[Expression.Of("😀"), Expression.Of(CodePointSet.Of(0x1F600)), Expression.Of("é"), Expression.Of(CodePointSet.Of('é'))])
        {
            var text = new GrammarText(Grammar.Of(expression));
            byte[][] characters = [[0xF0, 0x9F, 0x98, 0x80], [0xC3, 0xA9]];
            Assert.AreEqual(1, characters.Count(text.Accepts));
            foreach (byte[] character in characters)
            {
                for (int length = 0; length < character.Length; length++) Assert.IsFalse(text.Accepts(character[..length]), $"{length} bytes");
                Assert.IsFalse(text.Accepts([.. character, character[^1]]));
            }
        }
    }

    [TestMethod]
    public void An_anchor_has_no_graph()
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(static () => _ = new GrammarText(Grammar.Of(new Expression.Anchor(true))));
        Assert.AreEqual("Anchor has no graph.", error.Message);
    }
}

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class GrammarConstraintTests
{
    [TestMethod]
    public void A_logit_stays_where_its_bit_is_set_and_is_minus_infinity_elsewhere()
    {
        var random = new Random(3);
        for (int count = 0; count <= 70; count++)
        {
            byte[] bits = new byte[count / 8 + 9];
            random.NextBytes(bits);
            if (count % 3 == 0) bits[0] = 0xFF;
            if (count % 5 == 0) bits[count / 16] = 0;
            float[] logits = [.. Enumerable.Range(1, count).Select(static i => (float)i)];
            GrammarConstraint.Apply(bits, logits);
            for (int i = 0; i < count; i++) Assert.AreEqual((bits[i / 8] & (1 << (i % 8))) != 0 ? i + 1 : float.NegativeInfinity, logits[i], $"{i} of {count}");
        }
    }

    [TestMethod]
    public void The_end_may_come_where_the_text_is_whole_and_there_alone()
    {
        (ITokenMask mask, GptTokenizer tokenizer) = Begin("root ::= \"ab\"", ['b', GrammarText.Bytes().EndOfTextId]);
        int end = tokenizer.EndOfTextId;
        foreach ((int[] written, int[] allowed) in ((int[], int[])[])[([], ['a', 256]), (['a'], []), (['a', 'b'], ['b', end])])
        {
            // 'b' is a stop token, and so none of the text.
            float[] logits = Logits(tokenizer.VocabularySize);
            mask.Apply(written, logits);
            CollectionAssert.AreEqual(allowed, Allowed(logits));
        }
    }

    [TestMethod]
    public void Tokens_are_read_one_by_one_or_several_at_once()
    {
        (ITokenMask mask, GptTokenizer tokenizer) = Begin("root ::= \"abcabc\"", [GrammarText.Bytes().EndOfTextId]);
        float[] logits = Logits(tokenizer.VocabularySize);
        mask.Apply([257, 'a'], logits);
        CollectionAssert.AreEqual(new int[] { 'b' }, Allowed(logits));
        logits = Logits(tokenizer.VocabularySize);
        mask.Apply([257, 'a', 'b'], logits);
        CollectionAssert.AreEqual(new int[] { 'c' }, Allowed(logits));
    }

    [TestMethod]
    public void A_fork_stands_where_its_sequence_stands_and_goes_on_alone()
    {
        (ITokenMask mask, GptTokenizer tokenizer) = Begin("root ::= \"a\" (\"bb\" | \"cc\")", [GrammarText.Bytes().EndOfTextId]);
        mask.Apply(['a'], Logits(tokenizer.VocabularySize));
        IForkableTokenMask fork = ((IForkableTokenMask)mask).Fork();
        float[] logits = Logits(tokenizer.VocabularySize), others = Logits(tokenizer.VocabularySize);
        mask.Apply(['a', 'b'], logits);
        fork.Apply(['a', 'c'], others);
        CollectionAssert.AreEqual(new int[] { 'b' }, Allowed(logits));
        CollectionAssert.AreEqual(new int[] { 'c' }, Allowed(others));
        logits = Logits(tokenizer.VocabularySize);
        fork.Apply(['a', 'c', 'c'], logits);
        CollectionAssert.AreEqual(new[] { tokenizer.EndOfTextId }, Allowed(logits));
    }

    [TestMethod]
    public void Logits_may_be_more_than_tokens_or_fewer()
    {
        (ITokenMask mask, GptTokenizer tokenizer) = Begin("root ::= [a-c]", ['x']);
        float[] logits = Logits(tokenizer.VocabularySize + 20);
        mask.Apply([], logits);
        CollectionAssert.AreEqual(new int[] { 'a', 'b', 'c' }, Allowed(logits));
        (mask, _) = Begin("root ::= [a-c]", ['x']);
        logits = Logits('x' + 1);
        mask.Apply([], logits);
        CollectionAssert.AreEqual(new int[] { 'a', 'b', 'c' }, Allowed(logits));
        (mask, _) = Begin("root ::= [a-c]", []);
        logits = Logits('c');
        mask.Apply([], logits);
        CollectionAssert.AreEqual(new int[] { 'a', 'b' }, Allowed(logits));
    }

    private static (ITokenMask Mask, GptTokenizer Tokenizer) Begin(string rules, int[] stopTokens)
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        return (new GrammarConstraint(new GrammarText(GbnfReader.Read(rules, "root"), tokenizer).Automaton).Begin([], stopTokens), tokenizer);
    }

    private static float[] Logits(int count) => [.. Enumerable.Range(1, count).Select(static i => (float)i)];

    // Those that are as they were; the others are -∞.
    private static int[] Allowed(float[] logits)
    {
        int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(i => logits[i] == i + 1)];
        Assert.AreEqual(logits.Length - allowed.Length, logits.Count(float.IsNegativeInfinity));
        return allowed;
    }
}

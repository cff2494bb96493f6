namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class TokenConstraintTests
{
    private const int EndOfText = 0;

    // After every token 4 is by far the likeliest, then 3, 2 and 1; the end is the least likely.
    private static HistoryModel Model => new(5, 32, static _ => [0, 1, 2, 3, 9]);

    [TestMethod]
    public void The_likeliest_of_the_allowed_tokens_is_taken_and_the_sequence_ends_where_only_the_end_is_allowed()
    {
        // Falling from 3: 3, 2, 1, end.
        var constraint = new Rule(static (prompt, tokens) => [tokens.Count == 0 ? prompt[^1] - 1 : tokens[^1] - 1]);
        GeneratedSequence sequence = Generate(constraint, [[1, 4]], new() { Temperature = 0 })[0];
        CollectionAssert.AreEqual(new[] { 3, 2, 1 }, sequence.TokenIds.ToArray());
        Assert.AreEqual(FinishReason.StopToken, sequence.FinishReason);

        sequence = Generate(new Rule(static (_, _) => [1, 3]), [[4]], new() { Temperature = 0, MaxNewTokens = 3 })[0];
        CollectionAssert.AreEqual(new[] { 3, 3, 3 }, sequence.TokenIds.ToArray());
    }

    [TestMethod]
    public void The_filters_come_after_the_constraint()
    {
        // Top-k of 1 among what is allowed; before the constraint it would leave token 4 alone, which is not.
        IReadOnlyList<GeneratedSequence> sequences = Generate(new Rule(static (_, _) => [1, 2]), [[4]], new() { TopK = 1, SamplesPerPrompt = 10, MaxNewTokens = 4 });
        foreach (GeneratedSequence sequence in sequences) Assert.IsTrue(sequence.TokenIds.All(static id => id == 2));

        // Of 1 and 2, whose logits differ by 1, the softmax among them is 1 : e. 4,000 draws have a standard error of 0.007.
        sequences = Generate(new Rule(static (_, _) => [1, 2]), [[4]], new() { SamplesPerPrompt = 4_000, MaxNewTokens = 1, BatchSize = 500 });
        Assert.AreEqual(Math.E / (1 + Math.E), sequences.Average(static s => s.TokenIds[0] == 2 ? 1.0 : 0), 0.03);
    }

    [TestMethod]
    public void Each_sequence_has_a_mask_of_its_own_that_sees_its_prompt_and_every_token_once()
    {
        var seen = new List<(int[] Prompt, int[] Tokens)>();
        var constraint = new Rule((prompt, tokens) =>
        {
            seen.Add(([.. prompt], [.. tokens]));
            return [prompt[0]];
        });
        IReadOnlyList<GeneratedSequence> sequences = Generate(constraint, [[1], [2, 4], [3]], new() { MaxNewTokens = 3, SamplesPerPrompt = 2, BatchSize = 4 });
        Assert.AreEqual(6, constraint.Begun);
        foreach (GeneratedSequence sequence in sequences)
        {
            Assert.IsTrue(sequence.TokenIds.All(id => id == sequence.PromptTokenIds[0]));
            int[][] own = [.. seen.Where(call => call.Prompt.SequenceEqual(sequence.PromptTokenIds)).Select(static call => call.Tokens)];
            CollectionAssert.AreEqual(new[] { 0, 0, 1, 1, 2, 2 }, own.Select(static tokens => tokens.Length).Order().ToArray());
        }
    }

    [TestMethod]
    public void Where_nothing_is_allowed_the_error_names_the_sequence()
    {
        var error = Assert.ThrowsExactly<TokenConstraintException>(() => Generate(new Rule(static (prompt, tokens) => prompt[0] == 2 && tokens.Count == 2 ? [] : [3]), [[1], [2]], new() { MaxNewTokens = 5 }));
        Assert.AreEqual(1, error.PromptIndex);
        Assert.AreEqual(0, error.SampleIndex);
        CollectionAssert.AreEqual(new[] { 3, 3 }, error.NewTokenIds.ToArray());

        // Only the end is allowed, and it may not come yet.
        error = Assert.ThrowsExactly<TokenConstraintException>(() => Generate(new Rule(static (_, _) => [EndOfText]), [[1]], new() { MinNewTokens = 2, MaxNewTokens = 5 }));
        StringAssert.EndsWith(error.Message, "the constraint and MinNewTokens (2) together allow no token. MinNewTokens (2): lower it, because the sequence may not end yet, or let the constraint allow more than the end.");

        // What the constraint asks for has been there.
        error = Assert.ThrowsExactly<TokenConstraintException>(() => Generate(new Rule(static (_, _) => [3]), [[1]], new() { NoRepeatNgramSize = 1, MaxNewTokens = 5 }));
        StringAssert.StartsWith(error.Message, "After 1 new tokens of prompt 0, sample 0, the constraint and NoRepeatNgramSize (1) together allow no token. NoRepeatNgramSize (1): set it to 0,");

        // Only the end is allowed, and there is none; and a constraint by itself.
        error = Assert.ThrowsExactly<TokenConstraintException>(() => Generate(new Rule(static (_, _) => []), [[1]], new() { StopAtEndOfText = false, MaxNewTokens = 5 }));
        StringAssert.EndsWith(error.Message, "the constraint and StopAtEndOfText (false) together allow no token. StopAtEndOfText (false): set it to true, because nothing may end the sequence.");
        error = Assert.ThrowsExactly<TokenConstraintException>(() => Generate(new Rule(static (_, _) => []), [[1]], new() { MaxNewTokens = 5 }));
        StringAssert.EndsWith(error.Message, "the constraint allows no token. Let the constraint allow the end-of-text token where nothing else may come.");
    }

    [TestMethod]
    public void A_token_beyond_the_tokenizers_is_not_shown_to_it()
    {
        int size = 0;
        TokenGenerator.Generate(Model, [[1]], new() { MaxNewTokens = 1 }, EndOfText, tokenCount: 4, constraint: new Rule(static (_, _) => [1], logits => size = logits));
        Assert.AreEqual(4, size);
    }

    private static IReadOnlyList<GeneratedSequence> Generate(ITokenConstraint constraint, IReadOnlyList<int[]> prompts, GenerationOptions options) =>
        TokenGenerator.Generate(Model, prompts, options, EndOfText, constraint: constraint);

    /// <summary>Allows what a function of the prompt and the new tokens gives.</summary>
    private sealed class Rule(Func<IReadOnlyList<int>, IReadOnlyList<int>, int[]> allowed, Action<int>? size = null) : ITokenConstraint
    {
        public int Begun { get; private set; }

        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds)
        {
            Begun++;
            return new Mask(promptTokenIds, allowed, size);
        }

        private sealed class Mask(IReadOnlyList<int> prompt, Func<IReadOnlyList<int>, IReadOnlyList<int>, int[]> allowed, Action<int>? size) : ITokenMask
        {
            public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
            {
                size?.Invoke(logits.Length);
                int[] ids = allowed(prompt, newTokenIds.ToArray());
                for (int i = 0; i < logits.Length; i++)
                {
                    if (!ids.Contains(i)) logits[i] = float.NegativeInfinity;
                }
            }
        }
    }
}

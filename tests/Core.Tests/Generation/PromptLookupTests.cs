namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class PromptLookupTests
{
    [TestMethod]
    [DataRow(new[] { 1, 2, 3, 4, 1, 2, 3 }, 2, new[] { 4, 1 })]               // 1 2 3 stood at the beginning
    [DataRow(new[] { 1, 2, 3, 4, 1, 2, 3 }, 10, new[] { 4, 1, 2, 3 })]        // no more than there is
    [DataRow(new[] { 9, 3, 5, 2, 3, 6, 8, 2, 3 }, 1, new[] { 6 })]            // the longer end 2 3 counts, not the 3 alone
    [DataRow(new[] { 3, 5, 3, 6, 3 }, 1, new[] { 6 })]                        // of two places the later one
    [DataRow(new[] { 5, 6, 5 }, 1, new[] { 6 })]                              // at the very beginning, and nowhere else
    [DataRow(new[] { 7, 7, 7 }, 3, new[] { 7 })]                              // the end 7 7 stood one place before
    [DataRow(new[] { 1, 2, 3 }, 3, new int[0])]
    [DataRow(new[] { 1 }, 3, new int[0])]
    [DataRow(new[] { 1, 1 }, 0, new int[0])]
    public void What_followed_the_latest_place_of_the_longest_known_end_is_the_guess(int[] tokens, int count, int[] guess) => CollectionAssert.AreEqual(guess, PromptLookup.Guess(tokens, count).ToArray());

    [TestMethod]
    [DataRow(0f)]
    [DataRow(0.7f)]
    public void Guesses_change_no_token_whatever_the_options(float temperature)
    {
        // A model of 5 tokens that likes to repeat what stood three tokens before, with every history's logits its own.
        using var model = new HistoryModel(6, 64, static history =>
        {
            var random = new Random(history.Aggregate(17, static (hash, id) => (hash * 31) + id));
            float[] logits = [.. Enumerable.Range(0, 6).Select(_ => (float)random.NextDouble())];
            if (history.Count > 2) logits[history[^3]] += 1.5f;
            logits[5] = -1;
            return logits;
        });
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(static i => Enumerable.Range(0, 1 + i).Select(t => t * (i + 2) % 5).ToArray())];
        foreach (GenerationOptions options in new GenerationOptions[]
        {
            new(), new() { MaxNewTokens = 1 }, new() { MaxNewTokens = 2 }, new() { MaxNewTokens = 30, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f }, new() { NoRepeatNgramSize = 4, MinNewTokens = 3 },
            new() { SamplesPerPrompt = 3, TopLogProbabilities = 2 }, new() { StopTokenIds = [3], TopK = 4 }, new() { MaxNewTokens = 200, StopAtEndOfText = false },
        })
        {
            GenerationOptions plain = options with { Temperature = temperature, Seed = 4 };
            GeneratedSequence[] expected = [.. TokenGenerator.Generate(model, prompts, plain, 5)];
            foreach (int lookup in new[] { 1, 3, 50 })
            {
                GeneratedSequence[] found = [.. TokenGenerator.Generate(model, prompts, plain with { PromptLookupTokens = lookup }, 5)];
                for (int i = 0; i < expected.Length; i++)
                {
                    CollectionAssert.AreEqual(expected[i].TokenIds.ToArray(), found[i].TokenIds.ToArray(), $"{options}, {lookup}, sequence {i}");
                    Assert.AreEqual(expected[i].FinishReason, found[i].FinishReason);
                    Assert.AreEqual(expected[i].LogProbabilities?.Count, found[i].LogProbabilities?.Count);
                }
            }
        }

        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void Guesses_need_a_decoder_that_can_take_them_back()
    {
        using var model = new HistoryModel(4, 16, static _ => [0, 1, 2, 3]) { IsForkable = false };
        var exception = Assert.ThrowsExactly<UnsupportedOptionException>(() => TokenGenerator.Generate(model, [[1]], new() { PromptLookupTokens = 2 }, 0));
        StringAssert.Contains(exception.Message, "PromptLookupTokens");
        StringAssert.Contains(exception.Message, "HistoryModel");
        StringAssert.Contains(exception.Message, "set it to 0");
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void What_was_guessed_right_is_looked_for_too()
    {
        // 1 2 1 3, over and over. What follows a 1 depends on the token before it: three guesses are right in each pass only if what came in the last pass is known whole. 1 + 8 · 4 tokens.
        int[] pattern = [1, 2, 1, 3];
        using var model = new HistoryModel(4, 128, history => [.. Enumerable.Range(0, 4).Select(id => id == pattern[history.Count % 4] ? 5f : 0)]);
        GeneratedSequence found = TokenGenerator.Generate(model, [[.. pattern, .. pattern, .. pattern]], new() { Temperature = 0, MaxNewTokens = 33, PromptLookupTokens = 3 }, 0)[0];
        CollectionAssert.AreEqual(Enumerable.Range(0, 33).Select(i => pattern[i % 4]).ToArray(), found.TokenIds.ToArray());
        Assert.HasCount(9, model.RowsOfCalls);
    }

    [TestMethod]
    public void Text_that_repeats_its_prompt_takes_few_passes_and_a_constraint_is_obeyed()
    {
        // The model counts 0 1 2 … 9 0 1 …: after the prompt every guess of ten tokens is right, so that 1 + 3 passes make 33 tokens (1 of the prompt's pass, then 11, 11 and 10).
        using var model = new HistoryModel(11, 128, static history => [.. Enumerable.Range(0, 11).Select(id => id == (history[^1] + 1) % 10 ? 5f : 0)]);
        int[] prompt = [.. Enumerable.Range(0, 21).Select(static i => i % 10)];
        var options = new GenerationOptions { Temperature = 0, MaxNewTokens = 33 };
        GeneratedSequence found = TokenGenerator.Generate(model, [prompt], options with { PromptLookupTokens = 10 }, 10)[0];
        CollectionAssert.AreEqual(Enumerable.Range(21, 33).Select(static i => i % 10).ToArray(), found.TokenIds.ToArray());
        Assert.HasCount(4, model.RowsOfCalls);

        // Two sequences are computed one after the other; a guess never reaches beyond the last token that is wanted.
        found = TokenGenerator.Generate(model, [prompt, prompt], options with { PromptLookupTokens = 10, MaxNewTokens = 3 }, 10)[1];
        CollectionAssert.AreEqual(new[] { 1, 2, 3 }, found.TokenIds.ToArray());
        Assert.IsTrue(model.RowsOfCalls.TrueForAll(static rows => rows == 1));
        Assert.IsLessThanOrEqualTo(11 * 11, model.LargestLogitsBuffer);

        // However many guesses are allowed, there is room for no more than can be wanted: 33 tokens of 11 numbers of four bytes, and what else a call takes.
        long before = GC.GetAllocatedBytesForCurrentThread();
        found = TokenGenerator.Generate(model, [prompt], options with { PromptLookupTokens = int.MaxValue }, 10)[0];
        Assert.IsLessThan(1_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
        CollectionAssert.AreEqual(Enumerable.Range(21, 33).Select(static i => i % 10).ToArray(), found.TokenIds.ToArray());

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new GenerationOptions { PromptLookupTokens = -1 }.Validate());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => (options with { PromptLookupTokens = 2, BeamCount = 2 }).Validate());
    }
}

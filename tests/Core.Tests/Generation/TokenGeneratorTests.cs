using System.Text;

namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class TokenGeneratorTests
{
    private const int EndOfText = 0;

    // Token 1 is followed by 2, 2 by 3, 3 by 4, 4 by 1, and so on; end-of-text by 1.
    private static HistoryModel Cycle(int contextLength = 64) => HistoryModel.Bigram(
        contextLength,
        [0, 9, 0, 0, 0],
        [0, 0, 9, 0, 0],
        [0, 0, 0, 9, 0],
        [0, 0, 0, 0, 9],
        [0, 9, 0, 0, 0]);

    // Logits that depend on every token of the history and on its place, so that a lost, doubled or shifted position shows.
    private static HistoryModel Hashed(int vocabulary = 50, int contextLength = 64) => new(vocabulary, contextLength, history =>
    {
        float[] logits = new float[vocabulary];
        var random = new Random(history.Aggregate(17, (hash, token) => unchecked((hash * 31) + token + 1)));
        for (int i = 0; i < vocabulary; i++)
            logits[i] = 6 * random.NextSingle();
        return logits;
    });

    [TestMethod]
    public void Greedy_follows_the_largest_logit_as_a_plain_loop_does()
    {
        HistoryModel model = Hashed(contextLength: 300), oracle = Hashed(contextLength: 300);
        List<int> history = [5, 6, 7];
        using (ICausalDecoder decoder = oracle.BeginDecoding(1, 300))
        {
            float[] logits = new float[50];
            decoder.Append([5, 6, 7], [], LogitsScope.LastPosition, logits);
            for (int i = 0; i < 200; i++)
            {
                history.Add(Array.IndexOf(logits, logits.Max()));
                decoder.Append([history[^1]], [], LogitsScope.LastPosition, logits);
            }
        }

        GeneratedSequence sequence = Generate(model, [[5, 6, 7]], new() { Temperature = 0, MaxNewTokens = 200, StopAtEndOfText = false })[0];
        CollectionAssert.AreEqual(history[3..], sequence.TokenIds.ToList());
        Assert.AreEqual(FinishReason.MaxNewTokens, sequence.FinishReason);
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void Unequal_prompts_in_a_batch_give_what_each_gives_alone()
    {
        var options = new GenerationOptions { MaxNewTokens = 20, Temperature = 0.9f, TopK = 30, TopP = 0.95f, RepetitionPenalty = 1.2f, Seed = 5, BatchSize = 4 };
        var values = new Random(1);
        int[][] prompts = [.. Enumerable.Range(0, 11).Select(i => Enumerable.Range(0, 1 + (i * 7 % 12)).Select(_ => values.Next(1, 50)).ToArray())];
        IReadOnlyList<GeneratedSequence> together = Generate(Hashed(), prompts, options);
        for (int i = 0; i < prompts.Length; i++)
        {
            GeneratedSequence alone = Generate(Hashed(), [prompts[i]], options)[0];
            Assert.AreEqual(i, together[i].PromptIndex);
            CollectionAssert.AreEqual(alone.TokenIds.ToList(), together[i].TokenIds.ToList(), $"prompt {i}");
            Assert.AreEqual(alone.FinishReason, together[i].FinishReason);
        }
    }

    [TestMethod]
    public void Draws_depend_on_seed_prompt_and_sample_and_not_on_the_batch()
    {
        var options = new GenerationOptions { MaxNewTokens = 12, SamplesPerPrompt = 3, BatchSize = 2, Seed = 9, StopAtEndOfText = false };
        IReadOnlyList<GeneratedSequence> first = Generate(Hashed(), [[4, 5], [6], [4, 5]], options);
        IReadOnlyList<GeneratedSequence> second = Generate(Hashed(), [[7, 8, 9], [4, 5]], options with { BatchSize = 64 });
        IReadOnlyList<GeneratedSequence> third = Generate(Hashed(), [[7, 8, 9]], options with { BatchSize = 1 });
        Assert.HasCount(9, first);
        CollectionAssert.AreEqual(new[] { 0, 0, 0, 1, 1, 1, 2, 2, 2 }, first.Select(s => s.PromptIndex).ToArray());
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 0, 1, 2, 0, 1, 2 }, first.Select(s => s.SampleIndex).ToArray());
        for (int sample = 0; sample < 3; sample++)
        {
            CollectionAssert.AreEqual(first[sample].TokenIds.ToList(), first[6 + sample].TokenIds.ToList(), "the same prompt twice");
            CollectionAssert.AreEqual(first[sample].TokenIds.ToList(), second[3 + sample].TokenIds.ToList(), "in another batch");
            CollectionAssert.AreEqual(third[sample].TokenIds.ToList(), second[sample].TokenIds.ToList(), "alone");
        }

        CollectionAssert.AreNotEqual(first[0].TokenIds.ToList(), first[1].TokenIds.ToList(), "another sample");
        IReadOnlyList<GeneratedSequence> reseeded = Generate(Hashed(), [[4, 5]], options with { Seed = 10 });
        CollectionAssert.AreNotEqual(first[0].TokenIds.ToList(), reseeded[0].TokenIds.ToList(), "another seed");
    }

    [TestMethod]
    public void A_prompt_that_comes_again_can_go_on_where_its_samples_ended()
    {
        var options = new GenerationOptions { MaxNewTokens = 8, Seed = 9, StopAtEndOfText = false };
        IReadOnlyList<GeneratedSequence> five = Generate(Hashed(), [[4, 5]], options with { SamplesPerPrompt = 5 });
        IReadOnlyList<GeneratedSequence> twice = TokenGenerator.Generate(Hashed(), [[4, 5], [4, 5]], options with { SamplesPerPrompt = 2 }, EndOfText, null, null, null, null, firstDraws: [0, 3], CancellationToken.None);
        foreach ((int found, int expected) in new[] { (0, 0), (1, 1), (2, 3), (3, 4) }) CollectionAssert.AreEqual(five[expected].TokenIds.ToArray(), twice[found].TokenIds.ToArray());
    }

    [TestMethod]
    public void Samples_of_one_prompt_share_its_computation()
    {
        HistoryModel model = Hashed();
        Generate(model, [[1, 2, 3]], new() { MaxNewTokens = 3, SamplesPerPrompt = 5, StopAtEndOfText = false });
        CollectionAssert.AreEqual(new[] { 1, 5, 5 }, model.RowsOfCalls);
    }

    [TestMethod]
    public void End_of_text_and_stop_tokens_end_a_row_and_are_not_part_of_it()
    {
        GeneratedSequence sequence = Generate(Cycle(), [[1]], new() { Temperature = 0, StopTokenIds = [4] })[0];
        CollectionAssert.AreEqual(new[] { 2, 3 }, sequence.TokenIds.ToArray());
        Assert.AreEqual(FinishReason.StopToken, sequence.FinishReason);
        Assert.AreEqual(4, sequence.StopTokenId);

        HistoryModel ending = HistoryModel.Bigram(8, [0, 1, 0], [0, 0, 1], [1, 0, 0]); // 1 → 2 → end-of-text → 1
        CollectionAssert.AreEqual(new[] { 2 }, Generate(ending, [[1]], new() { Temperature = 0 })[0].TokenIds.ToArray());
        CollectionAssert.AreEqual(
            new[] { 2, 0, 1, 2 },
            Generate(ending, [[1]], new() { Temperature = 0, StopAtEndOfText = false, MaxNewTokens = 4 })[0].TokenIds.ToArray());
    }

    [TestMethod]
    public void No_stop_token_is_sampled_before_the_least_number_of_tokens()
    {
        // After 2 end-of-text is likeliest, then 1: with at least 3 tokens the path is 2, 1, 2, and then it may end.
        HistoryModel model = HistoryModel.Bigram(16, [0, 1, 0], [0, 0, 1], [2, 1, 0]);
        GeneratedSequence sequence = Generate(model, [[1]], new() { Temperature = 0, MinNewTokens = 3 })[0];
        CollectionAssert.AreEqual(new[] { 2, 1, 2 }, sequence.TokenIds.ToArray());
        Assert.AreEqual(FinishReason.StopToken, sequence.FinishReason);
    }

    [TestMethod]
    public void Rows_leave_the_batch_as_they_end()
    {
        // From 1 it takes three tokens to sample 4 (2, 3, stop); from 2 two; from 3 one.
        HistoryModel model = Cycle();
        IReadOnlyList<GeneratedSequence> sequences = Generate(model, [[1], [2], [3]], new() { Temperature = 0, StopTokenIds = [4] });
        CollectionAssert.AreEqual(new[] { 3, 2, 1 }, model.RowsOfCalls);
        CollectionAssert.AreEqual(new[] { 2, 1, 0 }, sequences.Select(s => s.TokenIds.Count).ToArray());
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void A_row_ends_when_its_last_token_has_no_position_left()
    {
        // Context 8, prompt of 3: positions 3 to 7 take five new tokens, and the last position yields a sixth.
        GeneratedSequence sequence = Generate(Cycle(8), [[1, 2, 3]], new() { Temperature = 0, MaxNewTokens = 100 })[0];
        CollectionAssert.AreEqual(new[] { 4, 1, 2, 3, 4, 1 }, sequence.TokenIds.ToArray());
        Assert.AreEqual(FinishReason.ContextFull, sequence.FinishReason);

        // A long and a short prompt together: the short one goes on when the long one's context is full.
        IReadOnlyList<GeneratedSequence> both = Generate(Cycle(8), [[1, 2, 3, 4, 1, 2, 3, 4], [1]], new() { Temperature = 0, MaxNewTokens = 7 });
        Assert.AreEqual((1, FinishReason.ContextFull), (both[0].TokenIds.Count, both[0].FinishReason));
        Assert.AreEqual((7, FinishReason.MaxNewTokens), (both[1].TokenIds.Count, both[1].FinishReason));
    }

    [TestMethod]
    public void A_prompt_longer_than_the_context_is_an_error_or_keeps_its_tail()
    {
        int[] prompt = [1, 2, 3, 4, 1, 2, 3, 4, 1];
        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => Generate(Cycle(8), [[1], prompt], new()));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
        StringAssert.Contains(exception.Message, "prompt 1");

        // Three new tokens leave 8 - 3 = 5 for the prompt's tail.
        GeneratedSequence tail = Generate(Cycle(8), [prompt], new() { PromptOverflow = PromptOverflow.KeepTail, MaxNewTokens = 3, Temperature = 0 })[0];
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4, 1 }, tail.PromptTokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { 2, 3, 4 }, tail.TokenIds.ToArray());

        // More than half of the context is never given to the answer.
        tail = Generate(Cycle(8), [prompt], new() { PromptOverflow = PromptOverflow.KeepTail, MaxNewTokens = 100, Temperature = 0 })[0];
        Assert.HasCount(4, tail.PromptTokenIds);
    }

    [TestMethod]
    public void An_empty_prompt_begins_with_end_of_text()
    {
        GeneratedSequence sequence = Generate(Cycle(), [[]], new() { Temperature = 0, MaxNewTokens = 2 })[0];
        CollectionAssert.AreEqual(new[] { EndOfText }, sequence.PromptTokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { 1, 2 }, sequence.TokenIds.ToArray());
        Assert.ThrowsExactly<ArgumentException>(() => TokenGenerator.Generate(Cycle(), [[]], new(), endOfTextId: null));
    }

    [TestMethod]
    public void Bad_prompts_are_errors_before_anything_is_computed()
    {
        HistoryModel model = Cycle();
        var exception = Assert.ThrowsExactly<TokenOutOfRangeException>(() => Generate(model, [[1], [2, 5]], new()));
        Assert.AreEqual((5L, 5), (exception.TokenId, exception.VocabularySize));
        StringAssert.Contains(exception.Message, "prompt 1, position 1");
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Generate(model, [[-1]], new()));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Generate(model, [[1]], new() { StopTokenIds = [77] }));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => TokenGenerator.Generate(model, [[1]], new(), endOfTextId: 5));
        Assert.ThrowsExactly<ArgumentException>(() => Generate(model, [null!], new()));
        Assert.ThrowsExactly<ArgumentException>(() => TokenGenerator.Generate(model, [[1]], new() { StopStrings = ["x"] }, EndOfText));
        Assert.HasCount(0, model.RowsOfCalls);
        Assert.HasCount(0, Generate(model, [], new()));
    }

    [TestMethod]
    public void Ids_beyond_the_tokenizers_are_never_sampled()
    {
        // The model likes 4 best, then 3; the tokenizer has the tokens 0 to 3. The prompt may hold a 4 all the same.
        var model = new HistoryModel(5, 16, _ => [0, 1, 2, 3, 9]);
        foreach (float temperature in new[] { 0f, 1f })
        {
            var options = new GenerationOptions { Temperature = temperature, TopK = 1, MaxNewTokens = 3, RepetitionPenalty = 1.01f };
            CollectionAssert.AreEqual(new[] { 3, 3, 3 }, TokenGenerator.Generate(model, [[4]], options, EndOfText, tokenCount: 4)[0].TokenIds.ToArray());
        }

        Assert.ThrowsExactly<TokenOutOfRangeException>(() => TokenGenerator.Generate(model, [[1]], new() { StopTokenIds = [4] }, EndOfText, tokenCount: 4));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TokenGenerator.Generate(model, [[1]], new(), EndOfText, tokenCount: 6));
    }

    [TestMethod]
    public void Cancelling_ends_the_call_and_releases_the_decoder()
    {
        HistoryModel model = Cycle();
        using var source = new CancellationTokenSource();
        int tokens = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => TokenGenerator.Generate(
            model, [[1]], new() { MaxNewTokens = 40 }, EndOfText, onToken: _ => { if (++tokens == 5) source.Cancel(); }, cancellationToken: source.Token));
        Assert.AreEqual(5, tokens);
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    [DataRow(1, 0)]
    [DataRow(1, 3)] // with guesses
    [DataRow(2, 0)] // with beams
    public void A_call_that_is_cancelled_computes_nothing_more(int beams, int lookup)
    {
        using var source = new CancellationTokenSource();
        int calls = 0;
        HistoryModel model = null!;
        model = new(5, 64, history =>
        {
            if (history.Count == 6) source.Cancel();
            if (history.Count <= 6) calls = model.RowsOfCalls.Count;
            return [0, 1, 2, 3, 4];
        });
        var options = new GenerationOptions { Temperature = 0, MaxNewTokens = 40, BeamCount = beams, PromptLookupTokens = lookup, StopAtEndOfText = false };
        Assert.ThrowsExactly<OperationCanceledException>(() => TokenGenerator.Generate(model, [[1]], options, EndOfText, cancellationToken: source.Token));
        Assert.HasCount(calls, model.RowsOfCalls);
        Assert.AreEqual(0, model.OpenDecoders);

        // Cancelled before it begins, it computes nothing at all.
        int before = model.RowsOfCalls.Count;
        Assert.ThrowsExactly<OperationCanceledException>(() => TokenGenerator.Generate(model, [[1]], options, EndOfText, cancellationToken: source.Token));
        Assert.HasCount(before, model.RowsOfCalls);
    }

    [TestMethod]
    [DataRow(1, 0)]
    [DataRow(1, 3)]
    [DataRow(2, 0)]
    public void The_engine_is_given_the_callers_cancellation_token_with_every_call(int beams, int lookup)
    {
        using var source = new CancellationTokenSource();
        HistoryModel model = Cycle();
        TokenGenerator.Generate(model, [[1]], new() { Temperature = 0, MaxNewTokens = 5, BeamCount = beams, PromptLookupTokens = lookup, StopAtEndOfText = false }, EndOfText, cancellationToken: source.Token);
        Assert.IsGreaterThan(1, model.CancellationTokens.Count);
        Assert.IsTrue(model.CancellationTokens.TrueForAll(token => token == source.Token));
    }

    [TestMethod]
    public void Prompts_of_like_length_share_a_batch_and_only_unequal_ones_are_padded()
    {
        HistoryModel model = Cycle();
        Generate(model, [[1, 2, 3], [1], [2, 3, 4], [2]], new() { MaxNewTokens = 1, BatchSize = 2 });
        CollectionAssert.AreEqual(new[] { 2, 2 }, model.RowsOfCalls);
        CollectionAssert.AreEqual(new[] { false, false }, model.MaskedCalls);

        model = Cycle();
        Generate(model, [[1, 2, 3], [1]], new() { MaxNewTokens = 2 });
        CollectionAssert.AreEqual(new[] { true, false }, model.MaskedCalls);
    }

    [TestMethod]
    public void A_prompt_of_which_a_part_is_computed_is_continued_as_if_it_were_new()
    {
        HistoryModel model = Hashed(5);
        var options = new GenerationOptions { MaxNewTokens = 5, Temperature = 0.7f, Seed = 3 };
        using var source = new CancellationTokenSource();
        GenerationStep step = TokenGenerator.Begin(model, options, EndOfText, null, null, null, source.Token);
        using ICausalDecoder decoder = model.BeginDecoding(1, 7);
        decoder.Append([1, 2], default, LogitsScope.LastPosition, new float[5]);
        GenerationRow row = step.Row(0, 0, [1, 2, 3], null);
        TokenGenerator.Continue(step, row, decoder);
        CollectionAssert.AreEqual(Generate(Hashed(5), [[1, 2, 3]], options)[0].TokenIds.ToArray(), row.Tokens);

        // Where it is cancelled, nothing more is computed.
        int calls = model.RowsOfCalls.Count;
        source.Cancel();
        using ICausalDecoder other = model.BeginDecoding(1, 7);
        other.Append([1, 2], default, LogitsScope.LastPosition, new float[5]);
        Assert.ThrowsExactly<OperationCanceledException>(() => TokenGenerator.Continue(step, step.Row(0, 0, [1, 2, 3], null), other));
        Assert.HasCount(calls + 1, model.RowsOfCalls);
    }

    // .NET's longest array has 2,147,483,591 elements.
    [TestMethod]
    [DataRow(8, 50_257, 8)]
    [DataRow(int.MaxValue, 50_257, 42_730)]
    [DataRow(int.MaxValue, 1, 2_147_483_591)]
    [DataRow(3, 715_827_863, 3)]
    [DataRow(3, 715_827_864, 2)]
    [DataRow(2, 2_147_483_591, 1)]
    public void A_batch_has_as_many_rows_as_an_array_of_their_logits_allows(int wanted, int vocabulary, int rows) => Assert.AreEqual(rows, TokenGenerator.MostRows(wanted, vocabulary));

    [TestMethod]
    public void A_decoder_has_room_for_the_longest_prompt_and_all_new_tokens_but_the_last()
    {
        HistoryModel model = Cycle();
        Generate(model, [[1, 2, 3], [1]], new() { MaxNewTokens = 5 });
        Generate(model, [[1, 2, 3], [1]], new() { MaxNewTokens = 100, PromptLookupTokens = 2 });
        Generate(model, [[1, 2, 3]], new() { MaxNewTokens = 5, BeamCount = 2, Temperature = 0 });

        // Guesses are computed for one sequence at a time; the context of 64 leaves the prompt of one 64 new tokens, and that of three 62.
        CollectionAssert.AreEqual(new[] { 7, 64, 64, 7 }, model.Capacities);
    }

    [TestMethod]
    public void Arguments_that_make_no_sense_are_refused_by_name()
    {
        HistoryModel model = Cycle();
        Assert.AreEqual("model", Assert.ThrowsExactly<ArgumentNullException>(() => Generate(null!, [[1]], new())).ParamName);
        Assert.AreEqual("prompts", Assert.ThrowsExactly<ArgumentNullException>(() => Generate(model, null!, new())).ParamName);
        Assert.AreEqual("options", Assert.ThrowsExactly<ArgumentNullException>(() => Generate(model, [[1]], null!)).ParamName);
        Assert.AreEqual("MaxNewTokens", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Generate(model, [[1]], new() { MaxNewTokens = 0 })).ParamName);
        Assert.AreEqual("StopStrings", Assert.ThrowsExactly<ArgumentNullException>(() => Generate(model, [[1]], new() { StopStrings = null! })).ParamName);
        foreach (int count in new[] { 0, 6 })
        {
            var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TokenGenerator.Generate(model, [[1]], new(), EndOfText, tokenCount: count));
            StringAssert.Contains(exception.Message, $"tokenCount is {count}; it must be 1 to 5, the model's vocabulary.");
        }

        TokenGenerator.Generate(model, [[1]], new() { MaxNewTokens = 1 }, EndOfText, tokenCount: 1);
        TokenGenerator.Generate(model, [[1]], new() { MaxNewTokens = 1 }, EndOfText, tokenCount: 5);
        StringAssert.Contains(Assert.ThrowsExactly<TokenOutOfRangeException>(() => TokenGenerator.Generate(model, [[1]], new(), endOfTextId: 5)).Message, "the end-of-text token");
        StringAssert.Contains(Assert.ThrowsExactly<TokenOutOfRangeException>(() => Generate(model, [[1]], new() { StopTokenIds = [5] })).Message, "StopTokenIds");
        StringAssert.Contains(Assert.ThrowsExactly<TokenOutOfRangeException>(() => Generate(model, [[1]], new() { LogitBias = new Dictionary<int, float> { [5] = 1 } })).Message, "LogitBias");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Generate(model, [[1], null!], new())).Message, "Prompt 1 is null; pass an empty one to begin with the end-of-text token. (Parameter 'prompts')");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TokenGenerator.Generate(model, [[1], []], new(), endOfTextId: null)).Message, "Prompt 1 is empty, and there is no end-of-text token to begin with; give the prompt a token. (Parameter 'prompts')");
        ArgumentException strings = Assert.ThrowsExactly<ArgumentException>(() => Generate(model, [[1]], new() { StopStrings = ["x"] }));
        Assert.AreEqual("tokenBytes", strings.ParamName);
        StringAssert.Contains(strings.Message, "pass tokenBytes, or use StopTokenIds");
        StringAssert.Contains(Assert.ThrowsExactly<PromptTooLongException>(() => Generate(Cycle(2), [[1, 2, 3]], new())).Message, "Shorten prompt 0, or set PromptOverflow to KeepTail.");
    }

    [TestMethod]
    public void A_tail_gets_at_least_half_of_an_odd_context_rounded_up()
    {
        GeneratedSequence tail = Generate(Cycle(7), [[1, 2, 3, 4, 1]], new() { PromptOverflow = PromptOverflow.KeepTail, MaxNewTokens = 100, Temperature = 0 })[0];
        CollectionAssert.AreEqual(new[] { 2, 3, 4, 1 }, tail.PromptTokenIds.ToArray());

        // One that leaves room for what is asked for is not cut, and a shorter one neither.
        Assert.HasCount(1, Generate(Cycle(7), [[1]], new() { PromptOverflow = PromptOverflow.KeepTail, MaxNewTokens = 2, Temperature = 0 })[0].PromptTokenIds);
        tail = Generate(Cycle(7), [[1, 2, 3, 4, 1]], new() { PromptOverflow = PromptOverflow.KeepTail, MaxNewTokens = 2, Temperature = 0 })[0];
        Assert.HasCount(5, tail.PromptTokenIds);
        Assert.HasCount(2, tail.TokenIds);
    }

    [TestMethod]
    public void Tokens_are_reported_as_they_come()
    {
        List<GeneratedToken> reported = [];
        IReadOnlyList<GeneratedSequence> sequences = TokenGenerator.Generate(
            Hashed(), [[3, 4], [5]], new() { MaxNewTokens = 6, SamplesPerPrompt = 2 }, EndOfText, onToken: reported.Add);
        foreach (GeneratedSequence sequence in sequences)
        {
            GeneratedToken[] own = [.. reported.Where(t => (t.PromptIndex, t.SampleIndex) == (sequence.PromptIndex, sequence.SampleIndex))];
            CollectionAssert.AreEqual(sequence.TokenIds.ToArray(), own.Select(t => t.TokenId).ToArray());
            CollectionAssert.AreEqual(Enumerable.Range(0, own.Length).ToArray(), own.Select(t => t.Position).ToArray());
            Assert.IsTrue(own.All(static t => t.SettledByteCount == 0), "no text is known");
            Assert.AreEqual((null, null), (sequence.TextByteCount, sequence.StopString));
        }
    }

    // Text: 1 = "ab", 2 = "c", 3 = "da", 4 = the first and 5 the second byte of "é".
    private static readonly byte[][] Texts = ["<end>"u8.ToArray(), "ab"u8.ToArray(), "c"u8.ToArray(), "da"u8.ToArray(), [0xC3], [0xA9]];

    private static GeneratedSequence Spell(string[] stops, List<GeneratedToken>? reported, params int[] path)
    {
        // The model says path, whatever comes before; the prompt is one token.
        var model = new HistoryModel(6, 64, history =>
        {
            float[] logits = new float[6];
            logits[path[Math.Min(history.Count - 1, path.Length - 1)]] = 9;
            return logits;
        });
        return TokenGenerator.Generate(
            model, [[1]], new() { Temperature = 0, MaxNewTokens = path.Length, StopStrings = stops }, EndOfText, id => Texts[id], onToken: reported is null ? null : reported.Add)[0];
    }

    private static string TextOf(GeneratedSequence sequence) =>
        Encoding.UTF8.GetString([.. sequence.TokenIds.SelectMany(id => Texts[id]).Take(sequence.TextByteCount!.Value)]);

    [TestMethod]
    public void A_stop_string_is_found_across_tokens_and_cut_off()
    {
        GeneratedSequence sequence = Spell(["bcd"], null, 1, 1, 2, 3, 1, 1); // "ab" "ab" "c" "da": abab|cda → a b a [bcd] a
        Assert.AreEqual(FinishReason.StopString, sequence.FinishReason);
        Assert.AreEqual("bcd", sequence.StopString);
        Assert.AreEqual("aba", TextOf(sequence));
        Assert.HasCount(4, sequence.TokenIds);
    }

    [TestMethod]
    public void A_stop_string_that_begins_within_a_failed_match_is_found()
    {
        // "abababc": "abab" is matched twice over before the c; after the first has failed, its "ab" is the second one's beginning.
        Assert.AreEqual("ab", TextOf(Spell(["ababc"], null, 1, 1, 1, 2, 1)));
    }

    [TestMethod]
    public void Of_stop_strings_that_end_together_the_longest_is_cut_off_and_the_earliest_end_wins()
    {
        Assert.AreEqual("a", TextOf(Spell(["c", "bc"], null, 1, 2, 3)));
        Assert.AreEqual("ab", TextOf(Spell(["cda", "c"], null, 1, 2, 3)));
    }

    [TestMethod]
    public void A_stop_string_is_found_in_new_text_only_and_within_characters_of_several_bytes()
    {
        // The prompt is "ab", and the output begins with "c": "abc" does not count.
        Assert.AreEqual(FinishReason.MaxNewTokens, Spell(["abc"], null, 2, 3).FinishReason);
        Assert.AreEqual("c", TextOf(Spell(["é"], null, 2, 4, 5, 1)));
    }

    [TestMethod]
    public void Bytes_that_may_begin_a_stop_string_are_not_settled()
    {
        List<GeneratedToken> reported = [];
        Spell(["bcx"], reported, 1, 2, 3, 1);
        // "ab": b may begin the string → 1; "abc" → 1; "abcda": it did not → 5; "abcdaab" → 6.
        CollectionAssert.AreEqual(new[] { 1, 1, 5, 6 }, reported.Select(t => t.SettledByteCount).ToArray());
    }

    private static IReadOnlyList<GeneratedSequence> Generate(ICausalModel model, IReadOnlyList<int[]> prompts, GenerationOptions options) =>
        TokenGenerator.Generate(model, prompts, options, EndOfText);

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Each_sequence_is_told_of_as_soon_as_it_has_ended(int beams)
    {
        // Behind 4 comes end-of-text, behind the others the next: prompt 3 ends after one token, prompt 1 after three.
        HistoryModel model = HistoryModel.Bigram(64, [0, 9, 0, 0, 0], [0, 0, 9, 0, 0], [0, 0, 0, 9, 0], [0, 0, 0, 0, 9], [9, 0, 0, 0, 0]);
        var told = new List<string>();
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[1], [3]], new() { Temperature = 0, MaxNewTokens = 9, BeamCount = beams }, EndOfText, tokenBytes: null, tokenCount: null,
            token => told.Add($"{token.PromptIndex}:{token.TokenId}"), constraint: null, firstDraws: null, CancellationToken.None, sequence => told.Add($"{sequence.PromptIndex} ended with {string.Join(' ', sequence.TokenIds)}"));
        CollectionAssert.AreEqual(beams == 1
            ? (string[])["0:2", "1:4", "0:3", "1 ended with 4", "0:4", "0 ended with 2 3 4"]
            : ["0:2", "0:3", "0:4", "0 ended with 2 3 4", "1:4", "1 ended with 4"], told);
        CollectionAssert.AreEqual((string[])["2 3 4", "4"], found.Select(static sequence => string.Join(' ', sequence.TokenIds)).ToArray());
    }
}

using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

[TestClass]
public sealed class RolloutTests
{
    [TestMethod]
    [DataRow(1f)]
    [DataRow(0.7f)]
    public void Log_probabilities_of_the_cached_decoder_equal_those_of_full_passes(float temperature)
    {
        using var fixture = new PolicyFixture(PolicyFixture.Plain with { Rollout = PolicyFixture.Plain.Rollout with { Temperature = temperature } });
        (Rollout rollout, _) = fixture.Rollouts.Make(new());

        // The decoder again, which is shown each response's tokens and asked what it thinks of them; several rows, padded on the left, share its cache.
        foreach (RolloutRow[] rows in rollout.Rows.OrderBy(static row => row.Response.Length).Chunk(4))
        {
            int longest = rows.Max(static row => row.PromptTokens.Length), v = PolicyFixture.Shape.VocabularySize, most = rows.Max(static row => row.Response.Length);
            using ICausalDecoder decoder = new TorchCausalModel(fixture.Model.Network).BeginDecoding(rows.Length, longest + most);
            var ids = new int[rows.Length * longest];
            var mask = new byte[ids.Length];
            for (int r = 0; r < rows.Length; r++)
            {
                int[] prompt = rows[r].PromptTokens;
                prompt.CopyTo(ids, ((r + 1) * longest) - prompt.Length);
                mask.AsSpan(((r + 1) * longest) - prompt.Length, prompt.Length).Fill(1);
            }

            var logits = new float[rows.Length * v];
            decoder.Append(ids, mask, LogitsScope.LastPosition, logits);
            float[][] found = [.. rows.Select(static row => new float[row.Response.Length])];
            for (int t = 0; t < most; t++)
            {
                for (int r = 0; r < rows.Length; r++)
                {
                    if (t >= rows[r].Response.Length) continue;
                    double[] scaled = [.. logits.AsSpan(r * v, v).ToArray().Select(z => (double)z / temperature)];
                    found[r][t] = (float)(scaled[rows[r].Response[t]] - Math.Log(scaled.Sum(Math.Exp)));
                }

                int[] next = [.. rows.Select(row => row.Response[Math.Min(t, row.Response.Length - 1)])];
                if (t + 1 < most) decoder.Append(next, default, LogitsScope.LastPosition, logits);
            }

            for (int r = 0; r < rows.Length; r++)
            {
                for (int t = 0; t < found[r].Length; t++) Assert.AreEqual(found[r][t], rows[r].LogProbabilities[t], 1e-4f);
            }
        }

        Assert.IsTrue(rollout.Rows.Any(static row => row.IsComplete) && rollout.Rows.Any(static row => !row.IsComplete));
        Assert.IsTrue(rollout.Rows.All(static row => row.IsComplete == (row.Response[^1] == PolicyFixture.Letters.EndOfTextId)));
    }

    [TestMethod]
    public void A_judge_reads_what_was_written_without_the_token_that_ends_it()
    {
        IReadOnlyList<PolicyResponse> judged = [];
        using var fixture = new PolicyFixture(PolicyFixture.Plain with
        {
            Reward = new()
            {
                Sources = [PolicyReward.OfAll(responses =>
                {
                    judged = responses;
                    return [.. responses.Select(static _ => 0.0)];
                })],
            },
        });
        IReadOnlyList<RolloutRow> rows = fixture.Rollouts.Make(new()).Rollout.Rows;
        Assert.HasCount(rows.Count, judged);
        Assert.IsTrue(rows.Any(static row => row.IsComplete) && rows.Any(static row => !row.IsComplete));
        foreach ((RolloutRow row, PolicyResponse response) in rows.Zip(judged))
        {
            string text = PolicyFixture.Letters.Decode(row.Response.Where(static id => id != PolicyFixture.Letters.EndOfTextId));
            PolicyPrompt prompt = fixture.Prompts[row.Prompt];
            Assert.AreEqual(new PolicyResponse(prompt.Row, prompt.Text, text, row.Response.Length, row.IsComplete), response);
        }
    }

    [TestMethod]
    public void Tokens_are_drawn_from_the_policy_itself()
    {
        // 4,000 first tokens of one prompt against the network's own distribution: each share within four standard errors.
        using var fixture = new PolicyFixture();
        PolicyPrompt prompt = fixture.Prompts[0];
        IReadOnlyList<RolloutRow> rows = new PolicySampler(fixture.Model.Network, PolicyFixture.Letters, [], new() { MaxNewTokens = 1, GenerationBatchSize = 500 }).Draw([prompt, prompt], [0, 0], 2_000, 4, default);
        double[] expected = Distribution(fixture.Model.Network, prompt.Tokens);
        for (int token = 0; token < expected.Length; token++)
        {
            double share = rows.Count(row => row.Response[0] == token) / 4_000.0, p = expected[token];
            Assert.AreEqual(p, share, 4 * Math.Sqrt(p * (1 - p) / 4_000) + 1e-6, $"token {token}");
        }

        Assert.IsGreaterThan(2, expected.Max() / expected.Min(), "the distribution is not flat");
    }

    [TestMethod]
    public void A_seed_gives_the_same_responses_and_equal_prompts_get_different_ones()
    {
        using var fixture = new PolicyFixture();
        PolicyPrompt[] prompts = [fixture.Prompts[1], fixture.Prompts[4], fixture.Prompts[1], fixture.Prompts[1]];
        int[] places = [1, 4, 1, 1];
        string[] first = Draw(7), again = Draw(7), other = Draw(8);
        CollectionAssert.AreEqual(first, again);
        CollectionAssert.AreNotEqual(first, other);
        Assert.HasCount(12, first);
        Assert.IsGreaterThan(6, first.Take(3).Concat(first.Skip(6)).Distinct().Count(), "nine draws of one prompt");

        string[] Draw(int seed) => [.. fixture.Sampler.Draw(prompts, places, 3, seed, default).Select(static row => string.Join(' ', row.Response))];
    }

    [TestMethod]
    public void Rows_of_the_same_prompt_get_responses_of_their_own()
    {
        // The prompt twice in a data set, as two rows: 2 x 3 responses of up to 6 letters, none of which another row has in its place.
        using var fixture = new PolicyFixture();
        PolicyPrompt prompt = fixture.Prompts[3], twin = prompt with { Row = 99 };
        string[] drawn = [.. fixture.Sampler.Draw([prompt, twin], [3, 6], 3, seed: 7, default).Select(static row => string.Join(' ', row.Response))];
        CollectionAssert.AreNotEqual(drawn[..3], drawn[3..]);
        Assert.IsGreaterThan(4, drawn.Distinct().Count(), "six draws of one prompt");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void KL_to_itself_is_exactly_0_at_first_and_ratios_are_exactly_1_in_the_first_minibatch(bool adapter)
    {
        PolicyOptimizationOptions options = PolicyFixture.Plain with { Lora = adapter ? new() { Rank = 2 } : null };
        using var fixture = new PolicyFixture(options);
        (Rollout rollout, PolicyState state) = fixture.Rollouts.Make(new());
        Assert.AreEqual(0, state.Kl);
        Assert.IsTrue(rollout.Rows.All(static row => row.LogProbabilities.SequenceEqual(row.ReferenceLogProbabilities)));
        Assert.AreEqual(adapter, ReferenceEquals(fixture.Model.Network.Parameters, fixture.Model.Reference.Parameters));
        fixture.Model.Network.Training = true;
        IReadOnlyList<RolloutRow> update = fixture.Rollouts.Updates(rollout.Rows, 0, epoch: 0)[0];
        int parts = 0;
        foreach (IReadOnlyList<RolloutRow> part in fixture.Rollouts.Parts(update))
        {
            using var scope = torch.NewDisposeScope();
            var batch = new PolicyBatch(part, torch.CPU);
            float[][] own = batch.Split(batch.LogProbabilities(fixture.Model.Network, batch.States(fixture.Model.Network), 1));
            for (int i = 0; i < part.Count; i++) CollectionAssert.AreEqual(part[i].LogProbabilities, own[i]);
            parts++;
        }

        Assert.AreEqual(2, parts, "6 responses, 4 at once");
        (torch.Tensor loss, torch.Tensor sums) = PolicyUpdate.Backward(fixture.Model, update, update, rollout.KlCoefficient, valueOnly: false, fixture.Options);
        Assert.AreEqual(0f, sums.data<float>()[1], "no token is clipped");
        loss.Dispose();
        sums.Dispose();
    }

    [TestMethod]
    public void Ids_that_pad_the_vocabulary_are_never_drawn()
    {
        // Of 32 ids about as likely as each other 20 are none of the tokenizer's: 64 responses without one of them are no chance.
        using var network = new GptNetwork(PolicyFixture.Shape with { VocabularySize = PolicyFixture.Letters.VocabularySize + 20 }, GptDevice.Cpu, seed: 3);
        var sampler = new PolicySampler(network, PolicyFixture.Letters, [], new() { MaxNewTokens = 6, GenerationBatchSize = 16 });
        IReadOnlyList<RolloutRow> rows = sampler.Draw([new(0, "ab", PolicyFixture.Letters.Encode("ab"))], [0], 64, seed: 1, CancellationToken.None);
        Assert.IsGreaterThan(100, rows.Sum(static row => row.Response.Length));
        Assert.IsTrue(rows.All(static row => row.Response.All(static id => id < PolicyFixture.Letters.VocabularySize)));
    }

    [TestMethod]
    public void A_rollout_outlives_the_process_as_it_is()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-rollout-").FullName;
        try
        {
            using var fixture = new PolicyFixture();
            (Rollout rollout, _) = fixture.Rollouts.Make(new());
            rollout.Rows[2].Counts = false;
            RolloutFile.Write(folder, rollout);
            var form = new RolloutForm(PolicyFixture.Shape, fixture.Prompts.Count, rollout.Rows.Count, rollout.Metrics.Count, HasValues: true);
            Rollout read = RolloutFile.Read(folder, form);
            Assert.AreEqual(rollout.KlCoefficient, read.KlCoefficient);
            CollectionAssert.AreEqual(rollout.Metrics.ToArray(), read.Metrics.ToArray());
            Assert.HasCount(rollout.Rows.Count, read.Rows);
            for (int i = 0; i < read.Rows.Count; i++)
            {
                (RolloutRow expected, RolloutRow found) = (rollout.Rows[i], read.Rows[i]);
                Assert.AreEqual((expected.Prompt, expected.IsComplete, expected.Counts), (found.Prompt, found.IsComplete, found.Counts));
                CollectionAssert.AreEqual(expected.PromptTokens, found.PromptTokens);
                CollectionAssert.AreEqual(expected.Response, found.Response);
                foreach ((float[] a, float[] b) in (IEnumerable<(float[], float[])>)[(expected.LogProbabilities, found.LogProbabilities), (expected.ReferenceLogProbabilities, found.ReferenceLogProbabilities), (expected.Values, found.Values), (expected.Advantages, found.Advantages), (expected.Returns, found.Returns)])
                    CollectionAssert.AreEqual(a, b);
            }

            string path = Directory.GetFiles(folder, "rollout.safetensors", SearchOption.AllDirectories).Single();
            SafeTensorsWriter.Write(path, [new("prompts", SafeTensorType.Int32, [1])], static (_, stream) => stream.Write(new byte[4]));
            Assert.ThrowsExactly<CorruptFileException>(() => RolloutFile.Read(folder, form));
            File.Delete(path);
            Assert.ThrowsExactly<CorruptFileException>(() => RolloutFile.Read(folder, form));

            // Whole, and of another run: of a smaller vocabulary, a shorter context, fewer prompts, more responses, other metrics, no value model.
            RolloutFile.Write(folder, rollout);
            foreach ((RolloutForm other, string problem) in ((RolloutForm, string)[])
            [
                (form with { Shape = form.Shape with { VocabularySize = 1 } }, "the vocabulary has the tokens 0 to 0"), (form with { Shape = form.Shape with { ContextLength = 2 } }, "the policy's context has 2"), (form with { PromptCount = 1 }, "and the prompts are 0 to 0"),
                (form with { RowCount = 13 }, "it has 12 responses, and a rollout of this run has 13"), (form with { MetricCount = 1 }, "metrics, and this run has 1"), (form with { HasValues = false }, "it must have 0"),
            ])
                StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => RolloutFile.Read(folder, other)).Message, problem);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void A_damaged_rollout_is_refused_with_what_it_has_and_what_it_must_have()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-rollout-").FullName;
        try
        {
            // Two responses to prompts 1 and 0, of 2 and 1 tokens.
            foreach ((Func<int, RolloutRow, RolloutRow> damage, string says) in ((Func<int, RolloutRow, RolloutRow>, string)[])
            [
                (static (i, row) => i == 1 ? row with { Prompt = 3 } : row, "response 1 answers prompt 3, and the prompts are 0 to 2."),
                (static (i, row) => i == 0 ? row with { Prompt = -1 } : row, "response 0 answers prompt -1, and the prompts are 0 to 2."),
                (static (i, row) => i == 0 ? row with { Response = [4, 12] } : row, "response 0 has the token 12, and the vocabulary has the tokens 0 to 11."),
                (static (i, row) => i == 1 ? row with { PromptTokens = [-2] } : row, "response 1 has the token -2, and the vocabulary has the tokens 0 to 11."),
                (static (i, row) => i == 1 ? row with { PromptTokens = [] } : row, "response 1 has 0 tokens of a prompt and 1 of its own, and each has 1 or more."),
                (static (i, row) => i == 0 ? row with { LogProbabilities = [-1] } : row, "response 0 has 1 log_probabilities, and it must have 2."),
                (static (i, row) => i == 0 ? row with { Advantages = [1, 2, 3] } : row, "response 0 has 3 advantages, and it must have 2."),
                (static (i, row) => i == 0 ? row with { Values = [] } : row, "response 0 has 0 values, and it must have 2."),
            ])
            {
                RolloutFile.Write(folder, new([damage(0, Row(1, [1, 2], [3, 4])), damage(1, Row(0, [5], [6]))], 0.5, [7]));
                CorruptFileException refused = Assert.ThrowsExactly<CorruptFileException>(() => Read());
                StringAssert.Contains(refused.Message, says);
                StringAssert.Contains(refused.Message, "Begin a new run in another folder");
            }

            RolloutFile.Write(folder, new([Row(1, [1, 2], [3, 4]), Row(0, [5], [6])], 0.5, [7]));
            Assert.HasCount(2, Read().Rows);
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => Read(rows: 4)).Message, "it has 2 responses, and a rollout of this run has 4.");
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => Read(metrics: 3)).Message, "it has 1 metrics, and this run has 3.");
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => Read(values: false)).Message, "response 0 has 2 values, and it must have 0.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static RolloutRow Row(int prompt, int[] tokens, int[] response)
        {
            float[] each = [.. response.Select(static _ => -1f)];
            return new(prompt, tokens, response, IsComplete: true) { LogProbabilities = each, ReferenceLogProbabilities = each, Values = each, Returns = each, Advantages = [1] };
        }

        Rollout Read(int rows = 2, int metrics = 1, bool values = true) => RolloutFile.Read(folder, new(PolicyFixture.Shape with { VocabularySize = 12 }, PromptCount: 3, rows, metrics, values));
    }

    [TestMethod]
    public void Lengths_of_a_rollout_that_do_not_add_up_are_refused()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-rollout-").FullName;
        try
        {
            RolloutFile.Write(folder, new([new(0, [1], [2], true) { LogProbabilities = [-1], ReferenceLogProbabilities = [-1], Advantages = [1] }], 0.5, [7]));
            string path = Directory.GetFiles(folder, "rollout.safetensors", SearchOption.AllDirectories).Single();
            var tensors = new Dictionary<string, byte[]>();
            SafeTensorInfo[] infos;
            using (SafeTensorsFile file = SafeTensorsFile.Open(path))
            {
                infos = [.. file.Tensors];
                foreach (SafeTensorInfo info in infos) tensors[info.Name] = file.Bytes(info.Name, 0, (int)info.ByteLength).ToArray();
            }

            foreach ((string name, int value, string says) in ((string, int, string)[])
            [
                ("response_lengths", 9, "its tensor 'tokens' has 2 numbers, and the responses' lengths add up to 10."),
                ("prompt_lengths", int.MaxValue, "its tensor 'tokens' has 2 numbers, and the responses' lengths add up to 2147483648."),
                ("response_lengths", -1, "a length of its tensor 'tokens' is -1, and it must be 0 or more."),
                ("advantages_lengths", 2, "its tensor 'advantages' has 1 numbers, and the responses' lengths add up to 2."),
                ("flags", 4, "response 0 has the flags 4, and they are 0 to 3."),
            ])
            {
                SafeTensorsWriter.Write(path, infos, (info, stream) => stream.Write(info.Name == name ? BitConverter.GetBytes(value) : tensors[info.Name]), new Dictionary<string, string> { ["kl_coefficient"] = "0.5", ["metrics"] = "[7]" });
                StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => RolloutFile.Read(folder, new(PolicyFixture.Shape with { VocabularySize = 12 }, 1, 1, 1, HasValues: false))).Message, says, name);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The next-token distribution behind a prompt, of logits divided by a temperature.</summary>
    internal static double[] Distribution(GptNetwork network, int[] prompt, double temperature = 1)
    {
        using var noGradient = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        torch.Tensor hidden = network.Hidden(torch.tensor(prompt.Select(static id => (long)id).ToArray()).view(1, -1));
        double[] logits = [.. network.Logits(hidden.narrow(0, prompt.Length - 1, 1)).data<float>().Select(z => z / temperature)];
        double sum = logits.Sum(Math.Exp);
        return [.. logits.Select(z => Math.Exp(z) / sum)];
    }
}

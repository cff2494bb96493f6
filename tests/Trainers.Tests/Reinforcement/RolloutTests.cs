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
                (form with { Shape = form.Shape with { VocabularySize = 1 } }, "the policy's last is 0"), (form with { Shape = form.Shape with { ContextLength = 2 } }, "the policy's context has 2"), (form with { PromptCount = 1 }, "and the last is 0"),
                (form with { RowCount = 13 }, "'prompts' has 12 numbers; a rollout of this run has 13"), (form with { MetricCount = 1 }, "'metrics' has"), (form with { HasValues = false }, "it must have 0"),
            ])
                StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => RolloutFile.Read(folder, other)).Message, problem);
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

using CsCheck;
using MLNet.Gpt.Core.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Instructions;

[TestClass]
public sealed class SupervisedBatchTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 30, ContextLength = 16, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2, InitializerRange = 0.2f };

    [TestMethod]
    [DataRow(GptBlockForm.PreNorm, GptAttentionPattern.Dense)]
    [DataRow(GptBlockForm.PostNorm, GptAttentionPattern.Dense)]
    [DataRow(GptBlockForm.PreNorm, GptAttentionPattern.AlternatingDenseAndBanded)]
    public void Packed_and_unpacked_rows_give_the_same_loss_and_gradients(GptBlockForm form, GptAttentionPattern pattern)
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Config with { BlockForm = form, AttentionPattern = pattern, AttentionBandWidth = 3 }, GptDevice.Cpu, seed: 3);
        SupervisedExample[] examples = Examples(9);
        (double alone, float[] aloneGradient) = Run(network, examples, null, null);
        foreach ((int? rowLength, int? atOnce) in ((int?, int?)[])[(16, null), (16, 1), (16, 2), (null, 2), (null, 1)])
        {
            (double loss, float[] gradient) = Run(network, examples, rowLength, atOnce);
            // Sums of some hundred float32 terms, in another order.
            Assert.AreEqual(alone, loss, 1e-5 * alone, $"{rowLength}, {atOnce}");
            float scale = aloneGradient.Max(Math.Abs);
            for (int i = 0; i < gradient.Length; i++) Assert.AreEqual(aloneGradient[i], gradient[i], 1e-5f * scale, $"{rowLength}, {atOnce}: {i}");
        }
    }

    [TestMethod]
    public void An_example_gets_the_hidden_states_that_it_gets_alone()
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 3);
        SupervisedExample[] examples = Examples(6);
        IReadOnlyList<SupervisedBatch> packed = SupervisedBatch.Of(examples, 16, null);
        float[] together = Floats(packed.Single().Run(network).Hidden);
        // The rows are filled with the longest first; each alone in that order gives the same states.
        var expected = new List<float[]>();
        foreach (SupervisedExample example in examples) expected.Add(Floats(SupervisedBatch.Of([example], null, null).Single().Run(network).Hidden));
        foreach (float[] states in expected)
        {
            bool found = Enumerable.Range(0, (together.Length - states.Length) / 16 + 1).Any(start => states.Select((v, i) => Math.Abs(v - together[(start * 16) + i])).Max() < 1e-5f);
            Assert.IsTrue(found);
        }
    }

    [TestMethod]
    public void Changing_what_has_no_loss_changes_no_bit_of_it()
    {
        // The tokens that only stand as targets without a loss: an example's last prompt token is an input too, so what changes here is
        // the flag's other side, the first token's predecessor and padding.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 3);
        SupervisedExample[] examples = [.. Examples(4).Select(static e => e with { TokenIds = [.. e.TokenIds, 7], IsTarget = [.. e.IsTarget, false] })];
        SupervisedExample[] others = [.. examples.Select(static e => e with { TokenIds = [.. e.TokenIds[..^1], 23] })];
        foreach (int? rowLength in (int?[])[null, 16])
        {
            (double loss, float[] gradient) = Run(network, examples, rowLength, null);
            (double otherLoss, float[] otherGradient) = Run(network, others, rowLength, null);
            Assert.AreEqual(loss, otherLoss);
            CollectionAssert.AreEqual(gradient, otherGradient);
        }
    }

    [TestMethod]
    public void The_loss_is_the_mean_over_the_completion_tokens_of_all_micro_batches()
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 3);
        SupervisedExample[] examples = Examples(5);
        // Each token's negative log-likelihood from a pass of its example alone, then one mean over all.
        double sum = 0;
        int count = 0;
        using (no_grad())
        {
            foreach (SupervisedExample e in examples)
            {
                Tensor ids = tensor(e.TokenIds[..^1].Select(static id => (long)id).ToArray()).view(1, -1);
                Tensor log = nn.functional.log_softmax(network.Logits(network.Hidden(ids)), 1);
                for (int i = 1; i < e.TokenIds.Length; i++)
                {
                    if (!e.IsTarget[i]) continue;
                    sum -= log[i - 1][e.TokenIds[i]].item<float>();
                    count++;
                }
            }
        }

        Assert.AreEqual(sum / count, Run(network, examples, null, 2).Loss, 1e-5);
    }

    [TestMethod]
    public void Examples_fill_rows_first_fit_the_longest_first()
    {
        // Lengths 9, 7, 6, 5, 3 in rows of 16: 9 + 7, then 6 + 5 + 3.
        SupervisedExample[] examples = [.. new[] { 3, 9, 5, 7, 6 }.Select(static length => new SupervisedExample(0, new int[length + 1], [.. new bool[length], true]))];
        Assert.HasCount(1, SupervisedBatch.Of(examples, 16, 2));
        Assert.HasCount(2, SupervisedBatch.Of(examples, 16, 1));
        Assert.HasCount(5, SupervisedBatch.Of(examples, null, 1));
        Assert.AreEqual(5, SupervisedBatch.Of(examples, 16, null).Sum(static b => b.TargetCount));
    }

    // Targets are the example's number, so that each state's owner is known; prompts are anything.
    [TestMethod]
    public void Whatever_one_example_says_no_other_in_its_row_sees_it_and_every_target_comes_once()
    {
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 3);
        Gen<(int Prompt, int Completion)> size = Gen.Select(Gen.Int[1, 8], Gen.Int[1, 8]);
        Gen.Select(size.Array[2, 9], Gen.Int[0, 8], Gen.Int[0, 1_000]).Always(
            (sizes, changed, seed) =>
            {
                using var scope = NewDisposeScope();
                using var noGradient = no_grad();
                changed %= sizes.Length;
                SupervisedExample[] examples = Make(seed), others = [.. examples];
                others[changed] = Make(seed + 1)[changed];
                (long[] owners, float[] states) = States(examples);
                (long[] ownersAfter, float[] statesAfter) = States(others);
                CollectionAssert.AreEqual(owners, ownersAfter);
                for (int i = 0; i < sizes.Length; i++) Assert.AreEqual(sizes[i].Completion, owners.Count(owner => owner == i));
                for (int i = 0; i < states.Length; i++)
                {
                    if (owners[i / Config.EmbeddingSize] != changed) Assert.AreEqual(states[i], statesAfter[i], 1e-6f);
                }

                // And the one that changed is what it is alone, from position 0.
                (_, float[] alone) = States([others[changed]]);
                Assert.AreEqual(alone.Length, statesAfter.Where((_, i) => owners[i / Config.EmbeddingSize] == changed).Count());
                foreach ((float expected, float found) in alone.Zip(statesAfter.Where((_, i) => owners[i / Config.EmbeddingSize] == changed))) Assert.AreEqual(expected, found, 2e-5f);

                SupervisedExample[] Make(int from)
                {
                    var random = new Random(from);
                    return [.. sizes.Select((size, i) => new SupervisedExample(i,
                        [.. Enumerable.Range(0, size.Prompt).Select(_ => random.Next(30)), .. Enumerable.Repeat(i, size.Completion)],
                        [.. new bool[size.Prompt], .. Enumerable.Repeat(true, size.Completion)]))];
                }
            },
            iter: 100);

        (long[] Owners, float[] States) States(SupervisedExample[] examples)
        {
            var owners = new List<long>();
            var states = new List<float>();
            foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, 16, 2))
            {
                (Tensor hidden, Tensor targets) = batch.Run(network);
                owners.AddRange(targets.data<long>().ToArray());
                states.AddRange(Floats(hidden));
            }

            return ([.. owners], [.. states]);
        }
    }

    private static SupervisedExample[] Examples(int count)
    {
        var random = new Random(6);
        return [.. Enumerable.Range(0, count).Select(row =>
        {
            int prompt = random.Next(1, 6), completion = random.Next(1, 6);
            return new SupervisedExample(row, [.. Enumerable.Range(0, prompt + completion).Select(_ => random.Next(30))], [.. Enumerable.Range(0, prompt + completion).Select(i => i >= prompt)]);
        })];
    }

    private static (double Loss, float[] Gradient) Run(GptNetwork network, SupervisedExample[] examples, int? rowLength, int? rowsAtOnce)
    {
        network.Parameters.ZeroGradient();
        int targets = examples.Sum(static e => e.TargetCount);
        double sum = 0;
        foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, rowLength, rowsAtOnce))
        {
            (Tensor hidden, Tensor next) = batch.Run(network);
            sum += LanguageModelPass.Backward(network, hidden, next, 1.0 / targets).item<float>();
        }

        return (sum / targets, Floats(network.Parameters.GradientSum));
    }

    private static float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.numel()];
        tensor.CopyFloatsTo(values);
        return values;
    }
}

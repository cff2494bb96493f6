using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Tasks;

/// <summary>A task's head over frozen weights.</summary>
[TestClass]
public sealed class FrozenTaskTests
{
    // As for the network that is trained as a whole.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Cases => TaskCase.All.SelectMany(static c => (object[][])[[c.Name, FrozenWeights.Pretrained], [c.Name, FrozenWeights.AllButHead]]);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void The_gradients_of_what_is_trained_are_the_references_and_the_network_has_none(string name, FrozenWeights freeze)
    {
        TaskCase c = Case(name);
        using var scope = NewDisposeScope();
        using TaskNetwork network = c.Network(freeze: freeze);
        Assert.AreEqual(c.TaskLoss, Run(network, c), Tolerance);
        Assert.AreEqual(0, network.Network.Parameters.GradientSum.numel());
        Assert.AreEqual(freeze == FrozenWeights.AllButHead, network.FrozenTokens is not null);
        Assert.AreEqual(freeze == FrozenWeights.Pretrained ? 3 : 2, network.Extra.Layout.Count);
        foreach (GptParameterInfo info in network.Extra.Layout)
        {
            // What the auxiliary loss adds to the tokens' gradient is no part of it here: the next test has their finite differences.
            if (info.Role == GptParameterRole.TaskTokenEmbedding && c.AuxiliaryWeight > 0) continue;
            float[] found = Floats(network.Extra.ViewOf(network.Extra.GradientSum, info.Name));
            if (info.Role != GptParameterRole.HeadBias) Assert.IsTrue(found.Any(static g => Math.Abs(g) > 1e-3), $"{info.Name}: numbers near 0 would show little");
            for (int i = 0; i < found.Length; i++) Assert.AreEqual(c.Gradients[info.Name][i], found[i], Tolerance, $"{info.Name}[{i}]");
        }
    }

    [TestMethod]
    public void The_new_tokens_gradient_is_the_finite_difference_of_the_loss_whether_blocks_are_computed_again_or_not()
    {
        foreach (TaskCase c in TaskCase.All)
        {
            using var scope = NewDisposeScope();
            using TaskNetwork network = c.Network(freeze: FrozenWeights.Pretrained), again = c.Network(freeze: FrozenWeights.Pretrained), whole = c.Network();
            again.Network.ActivationCheckpointing = true;
            Run(network, c);
            Run(again, c);
            Run(whole, c);
            CollectionAssert.AreEqual(Floats(network.Extra.GradientSum), Floats(again.Extra.GradientSum), c.Name);
            float[] gradient = Floats(network.Extra.ViewOf(network.Extra.GradientSum, ClassifierParameterLayout.SpecialTokens)), values = new float[gradient.Length];
            float[] expected = Floats(whole.Extra.ViewOf(whole.Extra.GradientSum, ClassifierParameterLayout.SpecialTokens));
            network.Extra.Read(ClassifierParameterLayout.SpecialTokens, values);
            for (int i = 0; i < gradient.Length; i += 5)
            {
                const float Step = 1e-3f;   // a central difference: the last place of a regression's loss of some 10 units is 1e-6, over 2e-3
                Assert.AreEqual(expected[i], gradient[i], Tolerance, $"{c.Name}, {i}: of the network that is trained as a whole");
                Assert.AreEqual((LossAt(Step) - LossAt(-Step)) / (2 * Step), gradient[i], 2e-3, $"{c.Name}, {i}");

                double LossAt(float change)
                {
                    float[] moved = [.. values];
                    moved[i] += change;
                    network.Extra.Write(ClassifierParameterLayout.SpecialTokens, moved);
                    double loss = Run(network, c);
                    network.Extra.Write(ClassifierParameterLayout.SpecialTokens, values);
                    return loss;
                }
            }
        }
    }

    [TestMethod]
    public void A_head_alone_leaves_no_graph_over_the_network()
    {
        TaskCase c = Case("classification");
        using var scope = NewDisposeScope();
        foreach (FrozenWeights freeze in Enum.GetValues<FrozenWeights>())
        {
            using TaskNetwork network = c.Network(freeze: freeze);
            Assert.AreEqual(freeze != FrozenWeights.AllButHead, network.Hidden(new TaskBatch(c.Build(), c.Config, CPU, languageModel: false)).requires_grad, $"{freeze}");
            var model = new Trained(network);
            var memory = TrainingMemory.Of(model, new());
            Assert.AreEqual((freeze != FrozenWeights.None, freeze == FrozenWeights.AllButHead), (memory.Frozen, memory.ForwardOnly));

            // 6N + 12·L·C·T with all trained; without the weights' gradients 2N less; the forward pass alone is a third of all. N is without the positions.
            double n = c.Config.ParameterCount - (c.Config.ContextLength * c.Config.EmbeddingSize), all = (6 * n) + (12.0 * c.Config.LayerCount * c.Config.EmbeddingSize * 8);
            Assert.AreEqual(freeze switch { FrozenWeights.None => all, FrozenWeights.Pretrained => all - (2 * n), _ => all / 3 }, memory.FlopsPerToken(8), 1e-6);
            MemoryEstimate estimate = memory.Estimate(4, 8);
            long head = model.Sets.Where(set => set != network.Network.Parameters).Sum(static set => set.Layout.Sum(static info => info.ElementCount));
            Assert.AreEqual(((freeze == FrozenWeights.None ? 16 : 4) * c.Config.ParameterCount) + (16 * head), estimate.ParameterBytes);
        }
    }

    [TestMethod]
    public void Frozen_weights_in_memory_are_shared_where_they_are_like_what_is_asked_for_and_copied_where_not()
    {
        using var trainable = new GptNetwork(Runs.EveryTrainer.Shape, GptDevice.Cpu, seed: 3);
        using GptNetwork fixedOne = GptNetwork.FromWeights(trainable, GptDevice.Cpu, trainable: false);
        using GptNetwork shared = GptNetwork.Frozen(fixedOne, GptDevice.Cpu, GptPrecision.Float32);
        Assert.AreSame(fixedOne.Parameters, shared.Parameters);
        using GptNetwork narrow = GptNetwork.Frozen(fixedOne, GptDevice.Cpu, GptPrecision.BFloat16), copy = GptNetwork.Frozen(trainable, GptDevice.Cpu, GptPrecision.Float32);
        Assert.AreEqual(GptPrecision.BFloat16, narrow.Precision);
        Assert.IsFalse(copy.Parameters.IsTrainable);
        Assert.AreNotSame(trainable.Parameters, copy.Parameters);
        using GptNetwork adapted = fixedOne.Share(LoraAdapter.Create(fixedOne.Config, new(), CPU, trainable: false, out _));
        using GptNetwork merged = GptNetwork.Frozen(adapted, GptDevice.Cpu, GptPrecision.Float32);
        Assert.AreNotSame(fixedOne.Parameters, merged.Parameters);

        // The training of one leaves dropout and the like of the others alone, and the weights stay until the last of them has gone.
        shared.Training = true;
        shared.Dropout = DropoutOptions.Everywhere(0.5f);
        Assert.IsFalse(fixedOne.Training);
        fixedOne.Dispose();
        using var scope = NewDisposeScope();
        shared.Training = false;
        using (no_grad()) CollectionAssert.AreEqual(Floats(copy.Hidden(ones(1, 4, ScalarType.Int64))), Floats(shared.Hidden(ones(1, 4, ScalarType.Int64))));
    }

    private static TaskCase Case(string name) => TaskCase.All.Single(c => c.Name == name);

    private static double Run(TaskNetwork network, TaskCase c)
    {
        TaskExample[] examples = c.Build();
        double total = examples.Sum(example => c.ClassWeights?[example.Label] ?? 1);
        Tensor? weights = c.ClassWeights is null ? null : tensor(c.ClassWeights.Select(static w => (float)w).ToArray());
        return TaskPass.Backward(network, new TaskBatch(examples, c.Config, CPU, languageModel: false), weights, 1 / total, 0, 0).Task.item<float>() / total;
    }

    private static float[] Floats(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

    private sealed class Trained(TaskNetwork network) : ITrainedModel
    {
        public GptNetwork Network => network.Network;

        public IReadOnlyList<FlatParameters> Sets => Network.Parameters.IsTrainable ? [Network.Parameters, network.Extra] : [network.Extra];

        public void Write(string folder, Action<string> addFiles) => throw new NotSupportedException();

        public void Read(string folder) => throw new NotSupportedException();
    }
}

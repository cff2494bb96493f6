using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Tasks;

[TestClass]
public sealed class TaskNetworkTests
{
    // The reference computes in float64; float32 with sums of some 100 terms of size 1 leaves a few 1e-6.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Names => TaskCase.All.Select(static c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Outputs_losses_and_gradients_equal_the_references(string name)
    {
        TaskCase c = Case(name);
        using var scope = NewDisposeScope();
        using TaskNetwork network = c.Network();
        TaskExample[] examples = c.Build();
        var batch = new TaskBatch(examples, c.Config, CPU, languageModel: true);
        float[] outputs = Floats(network.Outputs(network.States(network.Hidden(batch), batch), dropout: 0));
        double[] expected = [.. c.Outputs.SelectMany(static row => row)];
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], outputs[i], Tolerance, $"output {i}");

        Run(network, c, examples, c.AuxiliaryWeight, out double task, out double auxiliary);
        Assert.AreEqual(c.TaskLoss, task, Tolerance);
        Assert.AreEqual(c.AuxiliaryWeight == 0 ? 0 : c.AuxiliaryLoss, auxiliary, Tolerance);
        foreach ((string parameter, double[] gradient) in c.Gradients)
        {
            FlatParameters set = network.Extra.Layout.Any(info => info.Name == parameter) ? network.Extra : network.Network.Parameters;
            float[] found = Floats(set.ViewOf(set.GradientSum, parameter));
            for (int i = 0; i < gradient.Length; i++) Assert.AreEqual(gradient[i], found[i], Tolerance, $"{parameter}[{i}]");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void The_exported_graph_gives_the_same_outputs(string name)
    {
        TaskCase c = Case(name);
        foreach (GptConfig config in (GptConfig[])[c.Config, c.Config with { LayerCount = 1 }, c.Config with { LayerCount = 4, AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 2 },
            c.Config with { LayerCount = 3, AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 }])
        {
            string folder = Directory.CreateTempSubdirectory("mlnet-gpt-test-").FullName;
            try
            {
                using var torch = new TorchTextClassifier(new TaskNetwork(new GptNetwork(config with { InitializerRange = 0.3f }, GptDevice.Cpu, seed: 5), c.Head, trainable: false));
                torch.Network.Initialize(6);
                torch.WriteOnnxPackage(folder);
                using OnnxTextClassifier onnx = OnnxTextClassifier.Load(folder, GptDevice.Cpu);
                int[][] rows = [.. c.Build().SelectMany(static example => example.Sequences)];
                int t = rows.Max(static row => row.Length);
                int[] ids = [.. rows.SelectMany(row => row.Concat(Enumerable.Repeat(0, t - row.Length)))], lengths = [.. rows.Select(static row => row.Length)];
                float[] expected = new float[rows.Length / c.Head.SequencesPerOutput * c.Head.OutputCount], found = new float[expected.Length];
                torch.Run(ids, lengths, expected);
                onnx.Run(ids, lengths, found);
                for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 2e-5f, $"{config.LayerCount} layers, {config.AttentionPattern}, output {i}");
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    [TestMethod]
    public void Micro_batches_give_the_gradient_of_the_whole_batch()
    {
        foreach (TaskCase c in TaskCase.All)
        {
            using var scope = NewDisposeScope();
            using TaskNetwork network = c.Network();
            TaskExample[] examples = c.Build();
            Run(network, c, examples, c.AuxiliaryWeight, out double whole, out _);
            float[] expected = Gradient(network);
            network.Network.Parameters.ZeroGradient();
            network.Extra.ZeroGradient();
            double parts = examples.Sum(example =>
            {
                (double total, int rows) = Totals(c, examples);
                (Tensor task, _) = TaskPass.Backward(network, new TaskBatch([example], c.Config, CPU, languageModel: true), ClassWeights(c), 1 / total, c.AuxiliaryWeight / rows, 0);
                return task.item<float>() / total;
            });
            Assert.AreEqual(whole, parts, 4e-6 /* four units of the last place: the sums run in another order */);
            float[] found = Gradient(network);
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], Tolerance, $"{c.Name}, {i}");
        }
    }

    [TestMethod]
    public void A_weight_of_zero_is_bit_for_bit_the_task_loss_alone()
    {
        foreach (TaskCase c in TaskCase.All)
        {
            using var scope = NewDisposeScope();
            using TaskNetwork split = c.Network(), plain = c.Network();
            TaskExample[] examples = c.Build();
            Run(split, c, examples, 0, out _, out double auxiliary);
            Assert.AreEqual(0, auxiliary);

            // No language model, no detour over the last hidden states: autograd from the loss to the parameters.
            var batch = new TaskBatch(examples, c.Config, CPU, languageModel: false);
            Tensor outputs = plain.Outputs(plain.States(plain.Hidden(batch), batch), dropout: 0);
            (plain.Objective.Loss(outputs, batch, ClassWeights(c)) * (1 / Totals(c, examples).Weight)).backward();
            CollectionAssert.AreEqual(Gradient(plain), Gradient(split), c.Name);
        }
    }

    [TestMethod]
    public void Similarity_does_not_depend_on_the_order_of_the_texts()
    {
        TaskCase c = Case("similarity");
        using var scope = NewDisposeScope();
        using TaskNetwork network = c.Network(trainable: false);
        var random = new Random(1);
        for (int trial = 0; trial < 20; trial++)
        {
            int[] a = [.. Enumerable.Range(0, random.Next(0, 9)).Select(_ => random.Next(11))], b = [.. Enumerable.Range(0, random.Next(0, 9)).Select(_ => random.Next(11))];
            float[] one = Outputs(a, b), other = Outputs(b, a);
            for (int i = 0; i < one.Length; i++) Assert.AreEqual(one[i], other[i], $"[{string.Join(' ', a)}] and [{string.Join(' ', b)}]");
        }

        float[] Outputs(int[] first, int[] second)
        {
            var batch = new TaskBatch([new(TaskSequences.Build(c.Head, c.Config, [first, second], out _), 0, 0)], c.Config, CPU, languageModel: false);
            return Floats(network.Outputs(network.States(network.Hidden(batch), batch), dropout: 0));
        }
    }

    [TestMethod]
    public void Padding_and_neighbours_change_nothing()
    {
        TaskCase c = Case("classification");
        using var scope = NewDisposeScope();
        using var engine = new TorchTextClassifier(c.Network(trainable: false));
        int s = c.Config.VocabularySize, e = s + 2;
        float[] together = new float[6], alone = new float[3];
        engine.Run([s, 4, e, 9, 9, s, 1, 2, 3, e], [3, 5], together);
        engine.Run([s, 4, e], [3], alone);
        // A product of two rows and one of one add their terms in different orders: 1.4E-6 was seen at outputs of 0.6.
        for (int i = 0; i < 3; i++) Assert.AreEqual(alone[i], together[i], 4e-6f);
        engine.Run([s, e], [2], alone);   // an empty text
        Assert.IsTrue(alone.All(float.IsFinite));
    }

    [TestMethod]
    public void Arguments_that_do_not_fit_are_refused()
    {
        TaskCase c = Case("similarity");
        using var engine = new TorchTextClassifier(c.Network(trainable: false));
        Assert.ThrowsExactly<ArgumentException>(() => engine.Run([11, 1, 13], [3], new float[2]));                  // two rows belong together
        Assert.ThrowsExactly<ArgumentException>(() => engine.Run([11, 13, 11, 13], [2, 3], new float[2]));          // 3 of 2
        Assert.ThrowsExactly<ArgumentException>(() => engine.Run([11, 13, 11, 13], [2, 2], new float[3]));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => engine.Run([11, 14, 11, 13], [2, 2], new float[2]));
        Assert.ThrowsExactly<PromptTooLongException>(() => engine.Run(new int[20], [2, 2], new float[2]));
    }

    [TestMethod]
    public void Cross_entropy_and_squared_error_are_what_a_hand_works_out()
    {
        using var scope = NewDisposeScope();
        Tensor logits = tensor(new[] { 0f, 0f, 0f, MathF.Log(3) }).view(2, 2);
        // Row 0: P = 1/2 each. Row 1: 1 : 3. Labels 0 and 1: ln 2 and ln 4/3; with weights 2 and 3: 2 ln 2 + 3 ln 4/3.
        Assert.AreEqual(Math.Log(2) + Math.Log(4.0 / 3), TaskLoss.CrossEntropy(logits, tensor(new long[] { 0, 1 }), null).item<float>(), 1e-6);
        Assert.AreEqual((2 * Math.Log(2)) + (3 * Math.Log(4.0 / 3)), TaskLoss.CrossEntropy(logits, tensor(new long[] { 0, 1 }), tensor(new[] { 2f, 3f })).item<float>(), 1e-6);
        // (1 - 3)² + (2 - 2.5)² = 4.25
        Assert.AreEqual(4.25, TaskLoss.SquaredError(tensor(new[] { 1f, 2f }).view(2, 1), tensor(new[] { 3f, 2.5f })).item<float>(), 1e-6);
    }

    private static TaskCase Case(string name) => TaskCase.All.Single(c => c.Name == name);

    private static Tensor? ClassWeights(TaskCase c) => c.ClassWeights is null ? null : tensor(c.ClassWeights.Select(static w => (float)w).ToArray());

    private static (double Weight, int Rows) Totals(TaskCase c, TaskExample[] examples) =>
        (examples.Sum(example => c.ClassWeights?[example.Label] ?? 1), examples.Sum(static example => example.Sequences.Length));

    private static void Run(TaskNetwork network, TaskCase c, TaskExample[] examples, double lambda, out double task, out double auxiliary)
    {
        (double total, int rows) = Totals(c, examples);
        (Tensor taskSum, Tensor auxiliarySum) = TaskPass.Backward(network, new TaskBatch(examples, c.Config, CPU, lambda > 0), ClassWeights(c), 1 / total, lambda / rows, 0);
        (task, auxiliary) = (taskSum.item<float>() / total, auxiliarySum.item<float>() / rows);
    }

    private static float[] Gradient(TaskNetwork network) => [.. Floats(network.Network.Parameters.GradientSum), .. Floats(network.Extra.GradientSum)];

    private static float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.NumberOfElements];
        tensor.CopyFloatsTo(values);
        return values;
    }
}

using System.Security.Cryptography;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class LoraAdapterTests
{
    // The reference computes in float64; float32 with sums of at most 44 terms of size 1 leaves some 1e-6.
    private const double Tolerance = 2e-5;

    private static readonly JsonElement Reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "lora_gradients.json"))).RootElement;
    private static readonly GptConfig Config = Fixtures.Gradients.Single(static c => c.Name == "pre-norm").Config;
    private static readonly LoraOptions Options = new() { Rank = 3, Alpha = 6, Projections = LoraProjections.All };
    private static readonly GptConfig Wider = new() { VocabularySize = 40, ContextLength = 12, EmbeddingSize = 32, LayerCount = 3, HeadCount = 4, InitializerRange = 0.2f };

    [TestMethod]
    public void Logits_loss_and_gradients_equal_the_references()
    {
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(new FormulaWeights(Config), GptDevice.Cpu, trainable: false);
        FlatParameters trained = AttachFormula(network);
        Tensor ids = tensor(Reference.GetProperty("ids").Deserialize<long[][]>()!.SelectMany(static row => row).ToArray()).view(2, 6);
        long[] targets = [.. Reference.GetProperty("targets").Deserialize<long[][]>()!.SelectMany(static row => row)];
        double[] logits = Reference.GetProperty("logits").Deserialize<double[]>()!;
        AreClose(logits, Floats(network.Logits(network.Hidden(ids))), Tolerance * logits.Max(Math.Abs), "logits");

        double sum = LanguageModelPass.Backward(network, network.Hidden(ids), tensor(targets), 1.0 / targets.Length).item<float>();
        Assert.AreEqual(Reference.GetProperty("loss").GetDouble(), sum / targets.Length, 1e-6);
        foreach (JsonProperty gradient in Reference.GetProperty("gradients").EnumerateObject())
        {
            double[] expected = gradient.Value.Deserialize<double[]>()!;
            AreClose(expected, Floats(trained.ViewOf(trained.GradientSum, gradient.Name)), Tolerance * Math.Max(expected.Max(Math.Abs), 1e-2), gradient.Name);
        }
    }

    [TestMethod]
    public void A_fresh_adapter_changes_no_bit_of_the_outputs()
    {
        using var scope = NewDisposeScope();
        foreach (GptPrecision precision in (GptPrecision[])[GptPrecision.Float32, GptPrecision.BFloat16])
        {
            using GptNetwork network = new(Wider, GptDevice.Cpu, seed: 2, precision);
            using GptNetwork adapted = network.Share(Fresh(network, seed: 5));
            Tensor ids = randint(0, 40, [3, 12], ScalarType.Int64);
            CollectionAssert.AreEqual(Floats(network.Logits(network.Hidden(ids))), Floats(adapted.Logits(adapted.Hidden(ids))), precision.ToString());
        }
    }

    [TestMethod]
    public void A_fresh_adapter_has_PEFTs_initial_numbers()
    {
        using GptNetwork network = new(Wider with { EmbeddingSize = 256 }, GptDevice.Cpu, seed: 2);
        using LoraAdapter adapter = LoraAdapter.Create(network.Config, Options with { Rank = 64 }, CPU, trainable: false, out FlatParameters parameters);
        adapter.Initialize(3);
        var a = new float[64 * 256];
        parameters.Read("h.1.attn.c_attn.lora_A.weight", a);
        Assert.IsLessThanOrEqualTo(1.0 / 16, a.Max(Math.Abs));                                             // U(-1/√256, 1/√256)
        Assert.IsGreaterThan(0.99 / 16, a.Max(Math.Abs));
        // The deviation of U(-b, b) is b/√3; 16,384 draws leave 0.4 % of it.
        Assert.AreEqual(1.0 / 16 / Math.Sqrt(3), Math.Sqrt(a.Average(static v => (double)v * v)), 0.001);
        var b = new float[768 * 64];
        b.AsSpan().Fill(1);
        parameters.Read("h.1.attn.c_attn.lora_B.weight", b);
        Assert.IsTrue(b.All(static v => v == 0));
    }

    [TestMethod]
    public void A_merged_network_computes_what_the_adapted_one_does()
    {
        using var scope = NewDisposeScope();
        using GptNetwork network = new(Wider, GptDevice.Cpu, seed: 2);
        using GptNetwork adapted = network.Share(Random(network));
        using GptNetwork merged = GptNetwork.FromWeights(adapted, GptDevice.Cpu);
        Tensor ids = randint(0, 40, [3, 12], ScalarType.Int64);
        float[] plain = Floats(network.Hidden(ids)), unmerged = Floats(adapted.Hidden(ids)), folded = Floats(merged.Hidden(ids));
        for (int i = 0; i < unmerged.Length; i++) Assert.AreEqual(unmerged[i], folded[i], 1e-5f);           // hidden states of size 1, behind a LayerNorm
        Assert.IsGreaterThan(0.1f, unmerged.Zip(plain, static (x, y) => Math.Abs(x - y)).Max(), "the adapter must matter, or the test shows nothing");
    }

    [TestMethod]
    public void Several_adapters_share_one_base_and_either_may_be_disposed_first()
    {
        using var scope = NewDisposeScope();
        var network = new GptNetwork(Wider, GptDevice.Cpu, seed: 2);
        GptNetwork first = network.Share(Random(network, seed: 1)), second = network.Share(Random(network, seed: 2));
        Assert.AreSame(network.Parameters, first.Parameters);
        Tensor ids = randint(0, 40, [1, 12], ScalarType.Int64);
        float[] base0 = Floats(network.Hidden(ids)), first0 = Floats(first.Hidden(ids)), second0 = Floats(second.Hidden(ids));
        CollectionAssert.AreNotEqual(first0, second0);
        network.Dispose();
        network.Dispose();
        first.Dispose();
        CollectionAssert.AreEqual(second0, Floats(second.Hidden(ids)));
        CollectionAssert.AreNotEqual(base0, second0);
        second.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => network.Share(null));
    }

    [TestMethod]
    public void Training_an_adapter_leaves_the_bytes_of_the_base_alone()
    {
        using var scope = NewDisposeScope();
        using GptNetwork network = GptNetwork.FromWeights(new GptNetwork(Wider, GptDevice.Cpu, seed: 2), GptDevice.Cpu, trainable: false);
        byte[] before = Hash();
        LoraAdapter adapter = LoraAdapter.Create(Wider, Options with { Dropout = 0.1f }, CPU, trainable: true, out FlatParameters trained);
        adapter.Initialize(4);
        network.Attach(adapter);
        network.Training = true;
        using var sets = new TrainableSets([trained], new AdamWOptions { LearningRate = 0.01 });
        Tensor ids = randint(0, 40, [4, 12], ScalarType.Int64);
        double first = 0, last = 0;
        for (int step = 0; step < 20; step++)
        {
            last = LanguageModelPass.Backward(network, network.Hidden(ids), ids.view(-1), 1.0 / 48).item<float>() / 48;
            if (step == 0) first = last;
            sets.CollectGradient();
            sets.Step(0.01, sets.GradientNorm());
            sets.ZeroGradient();
        }

        Assert.IsLessThan(first - 0.5, last);
        CollectionAssert.AreEqual(before, Hash());

        byte[] Hash() => SHA256.HashData(network.Parameters.Master.bytes);
    }

    [TestMethod]
    public void A_folder_in_PEFTs_layout_gives_the_adapter_back()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-lora-").FullName;
        try
        {
            using var scope = NewDisposeScope();
            using GptNetwork network = new(Wider, GptDevice.Cpu, seed: 2);
            GptTokenizer tokenizer = GptTokenizer.FromCharacters([new string([.. Enumerable.Range('!', 39).Select(static c => (char)c)])]);
            using var model = new GptModel(new TorchCausalModel(GptNetwork.FromWeights(network, GptDevice.Cpu, trainable: false)), tokenizer);
            using var adapted = new GptModel(new TorchCausalModel(network.Share(Random(network))), tokenizer);
            string path = Path.Combine(folder, "adapter");
            adapted.SaveAdapter(path, "a-base");
            using GptModel again = model.WithAdapter(path);
            Tensor ids = randint(0, 40, [2, 12], ScalarType.Int64);
            CollectionAssert.AreEqual(Hidden(adapted), Hidden(again));
            CollectionAssert.AreNotEqual(Hidden(model), Hidden(again));

            // PEFT's names and shapes.
            using (SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(path, "adapter_model.safetensors")))
            {
                Assert.HasCount(3 * 4 * 2, file.Tensors);
                CollectionAssert.AreEqual(new long[] { 3, 32 }, file.Find("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight")!.Shape.ToArray());
                CollectionAssert.AreEqual(new long[] { 32, 3 }, file.Find("base_model.model.transformer.h.2.mlp.c_proj.lora_B.weight")!.Shape.ToArray());
            }

            // Merged for export, it needs no adapter any more.
            again.SaveCheckpoint(Path.Combine(folder, "merged"));
            using GptModel merged = GptModel.FromCheckpoint(Path.Combine(folder, "merged"), GptDevice.Cpu);
            float[] unmerged = Hidden(again), folded = Hidden(merged);
            for (int i = 0; i < folded.Length; i++) Assert.AreEqual(unmerged[i], folded[i], 1e-5f);

            Assert.ThrowsExactly<InvalidOperationException>(() => model.SaveAdapter(Path.Combine(folder, "none")));
            float[] Hidden(GptModel m) => Floats(((TorchCausalModel)m.Engine).Network.Hidden(ids));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // TorchSharp adds the adapter's term in each forward pass; the exporter adds its product to the weights, without TorchSharp.
    [TestMethod]
    public void A_package_with_the_adapter_merged_scores_as_the_adapted_network_does()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-lora-").FullName;
        try
        {
            using GptNetwork network = new(Wider, GptDevice.Cpu, seed: 2);
            GptTokenizer tokenizer = GptTokenizer.FromCharacters([new string([.. Enumerable.Range('!', 39).Select(static c => (char)c)])]);
            using var model = new GptModel(new TorchCausalModel(network.Share(null)), tokenizer);
            using var adapted = new GptModel(new TorchCausalModel(network.Share(Random(network))), tokenizer);
            string checkpoint = Path.Combine(folder, "base"), adapter = Path.Combine(folder, "adapter"), package = Path.Combine(folder, "package");
            model.SaveCheckpoint(checkpoint);
            adapted.SaveAdapter(adapter);
            OnnxExporter.ExportMerged(checkpoint, adapter, package);
            using GptModel merged = GptModel.FromOnnx(package, GptDevice.Cpu);
            string[] texts = ["ABC+-", "DEF:!!%$#"];
            foreach ((SequenceScore plain, (SequenceScore expected, SequenceScore found)) in model.Score(texts).Zip(adapted.Score(texts).Zip(merged.Score(texts))))
            {
                Assert.AreEqual(expected.LogLikelihood, found.LogLikelihood, 1e-4);
                Assert.IsGreaterThan(0.1, Math.Abs(plain.LogLikelihood - found.LogLikelihood), "the adapter must matter, or the test shows nothing");
            }

            Assert.ThrowsExactly<CheckpointNotFoundException>(() => OnnxExporter.ExportMerged(checkpoint, Path.Combine(folder, "none"), package));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Several_sets_are_clipped_by_their_joint_norm()
    {
        // Gradients 3 in one set and 4 in the other: the joint norm is 5, so that both are divided by 5. With β1 = β2 = 0 and ε = 1 the update is
        // g/(|g| + 1): 0.6/1.6 and 0.8/1.8.
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using FlatParameters first = Set("a"), second = Set("b");
        using var sets = new TrainableSets([first, second], new AdamWOptions { Beta1 = 0, Beta2 = 0, Epsilon = 1, GradientClipNorm = 1, WeightDecay = 0 });
        first.GradientSum[0] = tensor(3f);
        second.GradientSum[0] = tensor(4f);
        Tensor norm = sets.GradientNorm();
        Assert.AreEqual(5f, norm.item<float>(), 1e-6f);
        sets.Step(1, norm);
        Assert.AreEqual(-0.6 / 1.6, first.Master[0].item<float>(), 1e-6);
        Assert.AreEqual(-0.8 / 1.8, second.Master[0].item<float>(), 1e-6);
        Assert.AreEqual(1, sets.StepCount);
        Assert.AreEqual(4, sets.ParameterCount);

        static FlatParameters Set(string name) => new([new(name, [2], GptParameterRole.ProjectionBias)], CPU, ScalarType.Float32, trainable: true);
    }

    [TestMethod]
    public void A_set_of_matrices_alone_decays_as_a_whole()
    {
        using FlatParameters matrices = new([new("a", [4, 8], GptParameterRole.Projection)], CPU, ScalarType.Float32, trainable: false);
        Assert.AreEqual(32, matrices.DecayCount);
    }

    private static FlatParameters AttachFormula(GptNetwork network)
    {
        LoraAdapter adapter = LoraAdapter.Create(network.Config, Options, CPU, trainable: true, out FlatParameters parameters);
        int k = 0;
        foreach (GptParameterInfo info in parameters.Layout)
        {
            // 0.2·cos(0.53·i + 0.7·k), as the reference has it.
            parameters.Write(info.Name, [.. Enumerable.Range(0, (int)info.ElementCount).Select(i => (float)(0.2 * Math.Cos((0.53 * i) + (0.7 * k))))]);
            k++;
        }

        network.Attach(adapter);
        return parameters;
    }

    private static LoraAdapter Fresh(GptNetwork network, long seed)
    {
        LoraAdapter adapter = LoraAdapter.Create(network.Config, Options, CPU, trainable: false, out _);
        adapter.Initialize(seed);
        return adapter;
    }

    private static LoraAdapter Random(GptNetwork network, int seed = 7)
    {
        LoraAdapter adapter = LoraAdapter.Create(network.Config, Options, CPU, trainable: false, out FlatParameters parameters);
        var random = new Random(seed);
        foreach (GptParameterInfo info in parameters.Layout)
            parameters.Write(info.Name, [.. Enumerable.Range(0, (int)info.ElementCount).Select(_ => (random.NextSingle() - 0.5f) * 0.4f)]);
        return adapter;
    }

    private static float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.numel()];
        tensor.CopyFloatsTo(values);
        return values;
    }

    private static void AreClose(double[] expected, float[] found, double tolerance, string name)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], tolerance, $"{name}[{i}]");
    }
}

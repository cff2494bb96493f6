using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Gpu.Tests;

/// <summary>The CPU's float32 network, which is held to PyTorch's by the trainers' tests, is the oracle.</summary>
[TestClass]
[TestCategory("Gpu")]
public sealed class NetworkTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 320, ContextLength = 128, EmbeddingSize = 128, LayerCount = 3, HeadCount = 2 };

    // float32 sums of at most 512 terms in another order leave about 1e-6; TF32 would leave 3e-4, bfloat16 operands some 5e-3.
    [TestMethod]
    [DataRow(GptPrecision.Float32, 2e-5)]
    [DataRow(GptPrecision.BFloat16, 2e-2)]
    public void Logits_are_the_CPUs(GptPrecision precision, double tolerance)
    {
        GptDevice device = Gpu.Require();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using GptNetwork cpu = new(Config, GptDevice.Cpu, seed: 3), gpu = GptNetwork.FromWeights(cpu, device, precision);
        Tensor ids = randint(0, Config.VocabularySize, [4, Config.ContextLength], ScalarType.Int64);
        float[] expected = Gpu.Numbers(cpu.Logits(cpu.Hidden(ids))), found = Gpu.Numbers(gpu.Logits(gpu.Hidden(ids.to(new Device(DeviceType.CUDA, 0)))));
        double error = Gpu.RelativeError(found, expected);
        Assert.IsTrue(error < tolerance, $"relative error {error:E2}");
    }

    [TestMethod]
    [DataRow(GptPrecision.Float32, 1e-4)]
    [DataRow(GptPrecision.BFloat16, 4e-2)]
    public void Loss_and_gradients_are_the_CPUs(GptPrecision precision, double tolerance)
    {
        GptDevice device = Gpu.Require();
        using var scope = NewDisposeScope();
        using GptNetwork cpu = new(Config, GptDevice.Cpu, seed: 3), gpu = GptNetwork.FromWeights(cpu, device, precision);
        Tensor ids = randint(0, Config.VocabularySize, [4, Config.ContextLength], ScalarType.Int64);
        Tensor targets = ids.roll(-1, 1).reshape(-1);
        double count = targets.numel();
        double expected = Backward(cpu, ids, targets), found = Backward(gpu, ids.to(new Device(DeviceType.CUDA, 0)), targets.to(new Device(DeviceType.CUDA, 0)));
        Assert.AreEqual(expected, found, tolerance * expected);
        foreach (GptParameterInfo info in cpu.Parameters.Layout)
        {
            float[] a = Gpu.Numbers(gpu.Parameters.ViewOf(gpu.Parameters.GradientSum, info.Name)), b = Gpu.Numbers(cpu.Parameters.ViewOf(cpu.Parameters.GradientSum, info.Name));
            double error = Gpu.RelativeError(a, b);
            Assert.IsTrue(error < tolerance || b.Max(Math.Abs) < 1e-7, $"{info.Name}: relative error {error:E2}");
        }

        double Backward(GptNetwork network, Tensor tokens, Tensor next)
        {
            double sum = LanguageModelPass.Backward(network, network.Hidden(tokens), next, 1 / count).item<float>();
            network.Parameters.CollectGradient();
            return sum / count;
        }
    }

    [TestMethod]
    public void A_batch_goes_through_pinned_memory_and_arrives_whole()
    {
        Gpu.Require();
        using var scope = NewDisposeScope();
        long[] inputs = [.. Enumerable.Range(0, 4_096).Select(static i => (long)i * 7 % 311)], targets = [.. inputs.Select(static v => v + 1)];
        Tensor pinned = tensor(inputs).pin_memory();
        Assert.IsTrue(pinned.is_pinned());
        (Tensor ids, Tensor next) = new TrainingBatch(inputs, targets, new long[32], default, RowPart: 0).To(new Device(DeviceType.CUDA, 0));
        Assert.AreEqual(DeviceType.CUDA, ids.device.type);
        CollectionAssert.AreEqual(new long[] { 32, 128 }, ids.shape);
        CollectionAssert.AreEqual(inputs, ids.cpu().contiguous().data<long>().ToArray());
        CollectionAssert.AreEqual(targets, next.cpu().data<long>().ToArray());
    }
}

using System.Runtime.InteropServices;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Memory;

[TestClass]
public sealed class OutOfMemoryTests
{
    [TestMethod]
    public void What_libtorch_says_without_memory_is_understood()
    {
        // 2^45 floats: more than any address space gives.
        var cpu = Assert.ThrowsExactly<ExternalException>(() => torch.zeros(1L << 45, torch.ScalarType.Float32));
        Assert.IsTrue(OutOfMemory.Is(cpu, out long? requested), cpu.Message);
        Assert.AreEqual(1L << 47, requested);
        Assert.IsTrue(OutOfMemory.Is(new ExternalException("CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 139.8 GiB total capacity; …"), out requested));
        Assert.AreEqual(5L << 29, requested);
        Assert.IsTrue(OutOfMemory.Is(new ExternalException("CUDA error: out of memory"), out requested));
        Assert.IsNull(requested);
        Assert.IsFalse(OutOfMemory.Is(new ExternalException("The size of tensor a (3) must match the size of tensor b (4)"), out _));
        Assert.IsFalse(OutOfMemory.Is(new InvalidOperationException("out of memory"), out _));
    }

    [TestMethod]
    public void Running_out_of_memory_in_training_is_told_with_the_numbers_and_leaves_the_last_checkpoint()
    {
        using var fixture = new TrainingFixture();
        var error = Assert.ThrowsExactly<TrainingOutOfMemoryException>(() => fixture.Train(fixture.Options with { MicroBatchSize = 2 }, toFolder: true, stepStarting: static step =>
        {
            if (step == 9) throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; …");
        }));
        Assert.AreEqual(2, error.MicroBatchSize);
        Assert.AreEqual(16, error.SequenceLength);
        Assert.AreEqual(2L << 30, error.RequestedBytes);
        Assert.AreEqual(16 * TrainingFixture.Config.ParameterCount, error.ParameterBytes);
        Assert.IsGreaterThan(0L, error.ActivationBytes);
        Assert.AreEqual(RunCheckpoints.FindLast(fixture.Run), error.LastCheckpoint);
        StringAssert.Contains(error.Message, "2.0 GiB more could not be had");
        StringAssert.Contains(error.Message, "Lower MicroBatchSize");
        Assert.IsInstanceOfType<ExternalException>(error.InnerException);
    }

    // Heads of 64, which attention by vectors takes: it keeps no probabilities, of which blocks would keep 30 MiB more.
    [TestMethod]
    [DataRow(GptPrecision.Float32)]
    [DataRow(GptPrecision.BFloat16)]
    public void The_estimate_knows_that_attention_by_vectors_keeps_no_probabilities(GptPrecision precision)
    {
        if (!AttentionKernel.IsAvailable) Assert.Inconclusive("This processor has vectors of neither 512 nor 256 bits.");
        if (!AvailableMemory.TryResetPeak()) Assert.Inconclusive("This system does not reset the peak of a process's memory.");
        var config = new GptConfig { VocabularySize = 64, ContextLength = 512, EmbeddingSize = 192, LayerCount = 4, HeadCount = 3 };
        long byVectors = Estimate(config), inBlocks = Estimate(config with { HeadCount = 4 });
        (long grown, long estimated) = ActivationMeasurement.Of(config, DropoutOptions.None, precision, checkpointed: false);
        Assert.AreEqual(byVectors, estimated);
        if (precision == GptPrecision.BFloat16 && ProcessorFeatures.Current.HasBFloat16Products) Assert.IsGreaterThan(byVectors + (30L << 20), inBlocks);
        Assert.AreEqual(1, (double)estimated / grown, 0.25, $"grown {ByteSize.Text(grown)}, estimated {ByteSize.Text(estimated)}");

        long Estimate(GptConfig shape) => new TrainingMemory(shape, precision, GptDevice.Cpu).Estimate(8, 512).ActivationBytes;
    }

    // Of 8 rows of 512 tokens. In each of the four layers attention's probabilities alone would be 8 × 4 × 512 × 512 × 4 bytes = 32 MiB.
    [TestMethod]
    [DataRow(GptPrecision.Float32, 0f, 0f, false, FrozenWeights.None)]
    [DataRow(GptPrecision.BFloat16, 0f, 0f, false, FrozenWeights.None)]
    [DataRow(GptPrecision.Float32, 0f, 0.1f, false, FrozenWeights.None)]
    [DataRow(GptPrecision.BFloat16, 0.1f, 0.1f, false, FrozenWeights.None)]
    [DataRow(GptPrecision.Float32, 0.1f, 0f, false, FrozenWeights.None)]
    [DataRow(GptPrecision.Float32, 0f, 0f, true, FrozenWeights.None)]
    [DataRow(GptPrecision.BFloat16, 0f, 0f, true, FrozenWeights.None)]
    [DataRow(GptPrecision.Float32, 0f, 0f, false, FrozenWeights.Pretrained)]
    [DataRow(GptPrecision.BFloat16, 0f, 0f, false, FrozenWeights.Pretrained)]
    [DataRow(GptPrecision.Float32, 0f, 0f, true, FrozenWeights.Pretrained)]
    [DataRow(GptPrecision.Float32, 0f, 0f, false, FrozenWeights.AllButHead)]
    [DataRow(GptPrecision.BFloat16, 0f, 0f, false, FrozenWeights.AllButHead)]
    public void The_estimate_is_near_what_a_process_grows_by(GptPrecision precision, float attentionDropout, float residualDropout, bool checkpointed, FrozenWeights freeze)
    {
        if (!AvailableMemory.TryResetPeak()) Assert.Inconclusive("This system does not reset the peak of a process's memory.");
        var config = new GptConfig { VocabularySize = 64, ContextLength = 512, EmbeddingSize = 192, LayerCount = 4, HeadCount = 4 };
        (long grown, long estimated) = ActivationMeasurement.Of(config, new() { Attention = attentionDropout, Residual = residualDropout }, precision, checkpointed, freeze);
        Assert.AreEqual(1, (double)estimated / grown, 0.25, $"grown {ByteSize.Text(grown)}, estimated {ByteSize.Text(estimated)}");
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

[TestClass]
public sealed class CheckpointingTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 50, ContextLength = 32, EmbeddingSize = 32, LayerCount = 3, HeadCount = 2 };

    [TestMethod]
    [DataRow(GptPrecision.Float32)]
    [DataRow(GptPrecision.BFloat16)]
    public void Blocks_that_are_computed_again_give_the_same_loss_and_gradients_bit_for_bit(GptPrecision precision)
    {
        (float loss, float[] gradient) = Run(Config, precision, checkpointing: false);
        (float again, float[] gradientAgain) = Run(Config, precision, checkpointing: true);
        Assert.AreEqual(loss, again);
        CollectionAssert.AreEqual(gradient, gradientAgain);
    }

    [TestMethod]
    public void Dropout_draws_the_same_when_a_block_is_computed_again()
    {
        // The loss along the gradient's direction falls by step·|g|² where forward and backward pass see the same network.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Config, GptDevice.Cpu, seed: 3) { Training = true, ActivationCheckpointing = true, Dropout = new() { Residual = 0.3f, Attention = 0.3f } };
        float[] weights = network.Parameters.Master.data<float>().ToArray();
        double loss = Loss(network), squares = network.Parameters.GradientSum.pow(2).sum().item<float>();
        const double Step = 1e-3;
        using (no_grad()) network.Parameters.Master.sub_(network.Parameters.GradientSum.mul(Step));
        double lower = Loss(network);
        Assert.AreEqual(Step * squares, loss - lower, 0.05 * Step * squares);
    }

    [TestMethod]
    public void An_adapter_over_frozen_weights_gets_the_same_gradients()
    {
        var lora = new LoraOptions { Rank = 4 };
        float[][] gradients = [.. new[] { false, true }.Select(checkpointing =>
        {
            using var scope = NewDisposeScope();
            using var fresh = new GptNetwork(Config, GptDevice.Cpu, seed: 3);
            using GptNetwork network = GptNetwork.FromWeights(fresh, GptDevice.Cpu, trainable: false);
            LoraAdapter adapter = LoraAdapter.Create(Config, lora, CPU, trainable: true, out FlatParameters set);
            using (no_grad()) set.Master.normal_(0, 0.1, new torch.Generator(7));
            network.Attach(adapter);
            network.ActivationCheckpointing = checkpointing;
            Loss(network);
            return set.GradientSum.data<float>().ToArray();
        })];
        Assert.IsTrue(gradients[0].Any(static g => g != 0));
        CollectionAssert.AreEqual(gradients[0], gradients[1]);
    }

    [TestMethod]
    public void What_goes_wrong_in_a_backward_pass_is_thrown_where_it_was_started_and_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones_like(zeros(4, 4, ScalarType.Float32)).requires_grad_();
        int calls = 0;
        Tensor y = CheckpointFunction.Of(x, x, input => calls++ == 0 ? input * 2 : throw new InvalidOperationException("the second time"));
        Assert.AreEqual("the second time", Assert.ThrowsExactly<InvalidOperationException>(() => BackwardPass.Run(y, ones_like(y))).Message);
        Tensor z = CheckpointFunction.Of(x, x, static input => input * 2);
        BackwardPass.Run(z, ones_like(z));
        Assert.AreEqual(2, x.grad![0, 0].item<float>());
    }

    private static (float Loss, float[] Gradient) Run(GptConfig config, GptPrecision precision, bool checkpointing)
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(config, GptDevice.Cpu, seed: 3, precision) { Training = true, ActivationCheckpointing = checkpointing };
        float loss = Loss(network);
        return (loss, network.Parameters.GradientSum.data<float>().ToArray());
    }

    private static float Loss(GptNetwork network)
    {
        using var scope = NewDisposeScope();
        manual_seed(11);
        long[] ids = [.. Enumerable.Range(0, 64).Select(static i => (long)(i * i % 50))];
        float sum = LanguageModelPass.Backward(network, network.Hidden(tensor(ids).view(2, 32)), tensor([.. ids.Skip(1), 0L]), 1.0 / 64).item<float>();
        network.Parameters.CollectGradient();
        return sum / 64;
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>What is made of tensors and can't be finished leaves none of them behind.</summary>
[TestClass]
public sealed class OwnershipTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 12, ContextLength = 8, EmbeddingSize = 8, LayerCount = 2, HeadCount = 2 };

    [TestMethod]
    public void Parameters_of_which_one_has_an_impossible_shape() => LeavesNothing<Exception>(
        // Two negative sizes have a product that fits, and no view has them.
        static () => new FlatParameters([new("w", [2, 3], GptParameterRole.Projection), new("x", [-2, -3], GptParameterRole.Projection)], CPU, ScalarType.BFloat16, trainable: true));

    [TestMethod]
    public void A_trained_adapter_over_weights_that_can_not_be_read()
    {
        using FineTuningNetwork trained = FineTuningNetwork.Create(new FormulaWeights(Config), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, new() { Rank = 2 }, seed: 4);
        LeavesNothing<IOException>(() => trained.ToNetwork(new BrokenWeights()));
    }

    [TestMethod]
    public void A_network_to_fine_tune_from_weights_that_can_not_be_read() =>
        LeavesNothing<IOException>(static () => FineTuningNetwork.Create(new BrokenWeights(), DropoutOptions.None, GptDevice.Cpu, GptPrecision.Float32, new() { Rank = 2 }, seed: 4));

    [TestMethod]
    public void An_adapter_beside_a_disposed_network()
    {
        var network = new GptNetwork(Config, GptDevice.Cpu);
        network.Dispose();
        LeavesNothing<ObjectDisposedException>(() => network.Share(LoraAdapter.Create(Config, new() { Rank = 2 }, CPU, trainable: false, out _)));
        LeavesNothing<ObjectDisposedException>(() => network.With(LoraAdapter.Create(Config, new() { Rank = 2 }, CPU, trainable: false, out _)));
    }

    [TestMethod]
    public void A_copy_of_a_head_that_is_gone()
    {
        using GptNetwork first = new(Config, GptDevice.Cpu), second = new(Config, GptDevice.Cpu);
        var reward = new RewardNetwork(first, new RewardHead(), trainable: true);
        reward.Extra.Dispose();
        LeavesNothing<Exception>(() => RewardNetwork.ForUse(reward));
        var task = new TaskNetwork(second, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b"] }, trainable: true);
        task.Extra.Dispose();
        LeavesNothing<Exception>(() => TaskNetwork.ForUse(task));
    }

    private static void LeavesNothing<TException>(Func<object> make)
        where TException : Exception
    {
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Assert.Throws<TException>(() => make());
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    /// <summary>Weights of the shape whose last parameter can't be read.</summary>
    private sealed class BrokenWeights : IGptWeights
    {
        public GptConfig Config => OwnershipTests.Config;

        public void Read(string name, Span<float> destination)
        {
            if (name == GptParameterLayout.Of(Config)[^1].Name) throw new IOException("no more");
        }
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

/// <summary>
/// Computes while another thread collects garbage without end: what the garbage collector may free before libtorch has read it, it will. A use of freed memory may end
/// the process, so this is one of its own.
/// </summary>
internal static class CollectorStress
{
    public const string Command = "compute-while-collecting";

    /// <summary>Runs a computation.</summary>
    /// <returns>The exit code: 0 where all results were right.</returns>
    public static int Run(string computation)
    {
        set_num_threads(1);
        switch (computation)
        {
            case "arithmetic":
                Collecting(static () => Arithmetic(30_000));
                break;
            case "masks":
                Collecting(static () => Masks(2_000));
                break;
            default:
                GptPrecision precision = Enum.Parse<GptPrecision>(computation);
                float[] expected = Train(60, precision);
                Assert.AreSequenceEqual(expected, Collecting(() => Train(60, precision)));
                break;
        }

        return 0;
    }

    private static void Collecting(Action compute) => Collecting(() =>
    {
        compute();
        return true;
    });

    private static T Collecting<T>(Func<T> compute)
    {
        using var ended = new CancellationTokenSource();
        var collector = new Thread(() =>
        {
            while (!ended.IsCancellationRequested)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        int before = GC.CollectionCount(0);
        collector.Start();
        try
        {
            return compute();
        }
        finally
        {
            ended.Cancel();
            collector.Join();
            Assert.IsGreaterThan(100, GC.CollectionCount(0) - before);   // else nothing has been tested
        }
    }

    /// <summary>All that takes a number, with results that are exact in float32.</summary>
    private static void Arithmetic(int rounds)
    {
        using Tensor mask = tensor([true, false]), places = tensor([1L, 1L]);
        for (int round = 0; round < rounds; round++)
        {
            using var scope = NewDisposeScope();
            Tensor x = TensorArithmetic.Filled([2], 1.5, ScalarType.Float32, CPU), y = zeros(2).Fill(0.25);
            Check(x.Plus(y), 1.75f);
            Check(x.Plus(0.5), 2);
            Check(x.Minus(0.5), 1);
            Check(x.Minus(1), 0.5f);
            Check(x.Times(3), 4.5f);
            Check(x.Over(2), 0.75f);
            Check(y.Squared(), 0.0625f);
            Check(y.AtLeast(2), 2);
            Check(x.Between(0, 1.25), 1.25f);
            Check(where(x.Above(1).logical_and(y.Below(1)).logical_and(x.EqualTo(1.5)), x, y), 1.5f);
            Check(x.PlusInPlace(y).PlusInPlace(y, 2).PlusInPlace(0.75).MinusInPlace(1).TimesInPlace(0.5).AtLeastInPlace(-1), 1);   // (1.5 + 0.25 + 0.5 + 0.75 - 1) / 2
            Check(y.Fill(mask, 8), 8, 0.25f);
            Check(zeros(2).PlusRowsInPlace(places, x), 0, 2);
            Check(TensorArithmetic.Integers(3, 5, CPU).to(ScalarType.Float32), 3, 4);
        }

        static void Check(Tensor result, float first, float? second = null)
        {
            Assert.AreEqual(first, result.ReadCpuSingle(0));
            Assert.AreEqual(second ?? first, result.ReadCpuSingle(1));
        }
    }

    /// <summary>A training run of a few updates, in which all that a block can do comes to pass.</summary>
    /// <returns>The loss of each update, then the weights.</returns>
    private static float[] Train(int updates, GptPrecision precision)
    {
        GptConfig config = new()
        {
            VocabularySize = 16, ContextLength = 8, EmbeddingSize = 8, LayerCount = 2, HeadCount = 2, AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 4,
        };
        using var network = new GptNetwork(config, GptDevice.Cpu, seed: 1, precision) { Training = true };
        using var optimizer = new TrainableSets([network.Parameters], new AdamWOptions { GradientClipNorm = 0.5 });
        var results = new float[updates + network.Parameters.Master.numel()];
        for (int update = 0; update < updates; update++)
        {
            using var scope = NewDisposeScope();
            manual_seed(update);
            network.Dropout = DropoutOptions.None with { Residual = update % 2 == 0 ? 0 : 0.1f };
            network.ActivationCheckpointing = update % 3 == 0;
            Tensor ids = randint(0, config.VocabularySize, [4, config.ContextLength], ScalarType.Int64);
            Tensor loss = LanguageModelPass.Backward(network, network.Hidden(ids), ids.roll(-1, 1).view(-1), 1.0 / ids.numel());
            optimizer.CollectGradient();
            optimizer.Step(0.01, optimizer.GradientNorm());
            optimizer.ZeroGradient();
            results[update] = loss.item<float>();
        }

        network.Parameters.Master.CopyFloatsTo(results.AsSpan(updates));
        return results;
    }

    /// <summary>Threads ask for the masks of more lengths than a network keeps, and read them.</summary>
    private static void Masks(int lengths)
    {
        using var network = new GptNetwork(new() { VocabularySize = 16, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 2 }, GptDevice.Cpu, seed: 1);
        Parallel.For(0, lengths * 4, new() { MaxDegreeOfParallelism = 4 }, i =>
        {
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            long keys = 1 + (i % 80);
            Tensor mask = network.CausalMask(1, keys, band: 1);
            Assert.AreEqual(keys - 1, mask.isinf().sum().item<long>());   // the one query sees itself alone
        });
    }
}

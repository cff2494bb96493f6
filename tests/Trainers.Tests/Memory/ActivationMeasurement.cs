using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using MLNet.Gpt.Core.Tests.Engine;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Memory;

/// <summary>A process that makes a forward and a backward pass and tells by how much it grew.</summary>
internal static partial class ActivationMeasurement
{
    public const string Command = "measure-activations";

    private const int Rows = 8;

    /// <summary>Measures in a process of its own.</summary>
    /// <returns>By how many bytes it grew, and what was estimated.</returns>
    public static (long Grown, long Estimated) Of(GptConfig config, DropoutOptions dropout, GptPrecision precision, bool checkpointed, FrozenWeights freeze = FrozenWeights.None)
    {
        string[] arguments = [Command, JsonSerializer.Serialize(config), JsonSerializer.Serialize(dropout), precision.ToString(), checkpointed.ToString(), freeze.ToString()];
        string[] numbers = TestProgram.Run(arguments).Trim().Split(' ');
        return (long.Parse(numbers[0], CultureInfo.InvariantCulture), long.Parse(numbers[1], CultureInfo.InvariantCulture));
    }

    public static int Run(string[] arguments)
    {
        GptConfig config = JsonSerializer.Deserialize<GptConfig>(arguments[0])!;
        DropoutOptions dropout = JsonSerializer.Deserialize<DropoutOptions>(arguments[1])!;
        GptPrecision precision = Enum.Parse<GptPrecision>(arguments[2]);
        bool checkpointed = bool.Parse(arguments[3]);
        FrozenWeights freeze = Enum.Parse<FrozenWeights>(arguments[4]);
        TorchRuntime.Initialize();
        MapEachTensor();
        using GptNetwork fresh = new(config, GptDevice.Cpu, 1, precision), network = freeze == FrozenWeights.None ? fresh : GptNetwork.Frozen(fresh, GptDevice.Cpu, precision);
        (network.Training, network.Dropout, network.ActivationCheckpointing) = (true, dropout, checkpointed);
        using TaskNetwork? task = freeze == FrozenWeights.None ? null : new(network, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b"] }, trainable: true, freeze == FrozenWeights.AllButHead);
        Pass(1, 8);   // libtorch's own buffers
        using (NewDisposeScope())   // and its products' code, which a pass of this size does not reach
        {
            Tensor x = zeros(256, 192).requires_grad_(), w = zeros(192, 192).requires_grad_(), b = zeros(192), r = zeros(256, 192);
            BackwardPass.Run(LinearFunction.Of(x, w, b), r);
            BackwardPass.Run(LinearFunction.Of(x, w, b, r), r);
        }

        if (task is not null)
        {
            // So little grows here that what the first pass of its size leaves behind would be much of it.
            Pass(Rows, config.ContextLength);
            CHeap.ReturnFree();
        }

        if (!AvailableMemory.TryResetPeak()) return 3;
        long before = Environment.WorkingSet;
        Pass(Rows, config.ContextLength);
        long grown = AvailableMemory.PeakBytes() - before;
        long estimated = new TrainingMemory(config, precision, GptDevice.Cpu) { Dropout = dropout, Checkpointed = checkpointed, Frozen = task is not null, ProjectionsTrained = task is null, ForwardOnly = freeze == FrozenWeights.AllButHead }.Estimate(Rows, config.ContextLength).ActivationBytes;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{grown} {estimated}"));
        return 0;

        void Pass(int rows, int length)
        {
            using var scope = NewDisposeScope();
            if (task is not null)
            {
                TaskPass.Backward(task, new TaskBatch([.. Enumerable.Range(0, rows).Select(_ => new TaskExample([[config.VocabularySize, .. new int[length - 2], config.VocabularySize + 2]], 1, 0))], config, CPU, languageModel: false), null, 1, 0, 0);
                return;
            }

            Tensor ids = zeros(rows, length, ScalarType.Int64);
            LanguageModelPass.Backward(network, network.Hidden(ids), ids.view(-1), 1);
            network.Parameters.CollectGradient();
            network.Parameters.ZeroGradient();
        }
    }

    /// <summary>
    /// Gives each tensor memory of its own, which goes back when it is freed. The heap takes room for some that it can't use again before its neighbours are
    /// free, too: how much differs from process to process by a quarter.
    /// </summary>
    private static void MapEachTensor()
    {
        const int MmapThreshold = -3, MmapMax = -4;
        if (!OperatingSystem.IsLinux()) return;
        Assert.AreEqual(1, Mallopt(MmapMax, int.MaxValue));
        Assert.AreEqual(1, Mallopt(MmapThreshold, 256 << 10));
        CHeap.ReturnFree();
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Mallopt(int parameter, int value);
}

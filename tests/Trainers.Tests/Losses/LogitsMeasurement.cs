using MLNet.Gpt.Core.Tests.Engine;
using System.Globalization;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

/// <summary>A process that computes log-probabilities and their gradients, and tells by how much it grew.</summary>
internal static class LogitsMeasurement
{
    public const string Command = "measure-logits";

    public const long Tokens = 4_096, Vocabulary = 16_384;

    private const long Channels = 16;

    /// <summary>Measures in a process of its own.</summary>
    /// <param name="chunked">Whether by <see cref="TokenLogProbabilities"/>; else over all logits.</param>
    /// <returns>By how many bytes it grew.</returns>
    public static long Of(bool chunked) => long.Parse(TestProgram.Run(Command, chunked.ToString()).Trim(), CultureInfo.InvariantCulture);

    public static int Run(bool chunked)
    {
        Tensor head = randn(Vocabulary, Channels).requires_grad_();
        Pass(8);   // libtorch's own buffers
        if (!AvailableMemory.TryResetPeak()) return 3;
        long before = Environment.WorkingSet;
        Pass(Tokens);
        Console.WriteLine((AvailableMemory.PeakBytes() - before).ToString(CultureInfo.InvariantCulture));
        return 0;

        void Pass(long tokens)
        {
            using var scope = NewDisposeScope();
            Tensor hidden = randn(tokens, Channels).requires_grad_(), targets = randint(0, Vocabulary, [tokens], ScalarType.Int64);
            Tensor result = chunked
                ? TokenLogProbabilities.Of(hidden, head, targets, chunkElements: 1 << 20)   // 4 MiB
                : hidden.mm(head.t()).log_softmax(1).gather(1, targets.unsqueeze(1));
            Tensor sum = result.sum();
            BackwardPass.Run(sum, ones_like(sum));
        }
    }
}

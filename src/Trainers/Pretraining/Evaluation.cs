using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The validation loss.</summary>
internal static class Evaluation
{
    /// <summary>The bytes of UTF-8 that a predicted token stands for on average, over the rows that <see cref="MeanLoss"/> reads; special tokens have none.</summary>
    public static double BytesPerToken(PackedRows rows, int? maxRows, GptTokenizer tokenizer)
    {
        int[] lengths = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.IsSpecialToken(id) ? 0 : tokenizer.GetTokenBytes(id).Length)];
        int t = rows.ContextLength;
        long count = Math.Min(rows.RowCount, maxRows ?? long.MaxValue), bytes = 0;
        var row = new int[t + 1];
        for (long i = 0; i < count; i++)
        {
            rows.CopyRow(i * t, row);
            foreach (int target in row.AsSpan(1)) bytes += lengths[target];
        }

        return bytes / ((double)count * t);
    }

    /// <summary>The mean negative log-likelihood per token over the first rows of a set, always the same ones, dropout off.</summary>
    /// <param name="network">The network; its training mode is restored.</param>
    /// <param name="rows">The validation rows.</param>
    /// <param name="maxRows">The most rows to read; null for all.</param>
    /// <param name="batchSize">Rows computed at once.</param>
    /// <param name="cancellation">Ends the evaluation with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Nats per token.</returns>
    public static double MeanLoss(GptNetwork network, PackedRows rows, int? maxRows, int batchSize, CancellationToken cancellation)
    {
        bool training = network.Training;
        network.Training = false;
        try
        {
            using var noGradient = no_grad();
            int t = rows.ContextLength;
            long count = Math.Min(rows.RowCount, maxRows ?? long.MaxValue);
            double sum = 0;
            for (long first = 0; first < count; first += batchSize)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                int b = (int)Math.Min(batchSize, count - first);
                long[] inputs = new long[b * t], targets = new long[b * t], starts = new long[b];
                for (int i = 0; i < b; i++)
                {
                    starts[i] = (first + i) * t;
                    rows.CopyRow(starts[i], inputs.AsSpan(i * t, t), targets.AsSpan(i * t, t));
                }

                (Tensor ids, Tensor next) = new TrainingBatch(inputs, targets, starts, default, 0).To(network.TorchDevice);
                sum += LanguageModelPass.Sum(network, network.Hidden(ids), next).item<float>();   // sync: reads the loss
            }

            return sum / ((double)count * t);
        }
        finally
        {
            network.Training = training;
        }
    }
}

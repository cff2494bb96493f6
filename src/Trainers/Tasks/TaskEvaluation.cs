using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>How a network does on a labelled set, over all of its rows.</summary>
/// <param name="Loss">The mean task loss of the rows whose label is known, class weights included; NaN where there is none.</param>
/// <param name="Accuracy">The share of all rows that are right; null for a regression.</param>
/// <param name="Confusion">[actual, predicted] counts of the rows whose label is known; empty for a regression.</param>
internal sealed record TaskEvaluation(double Loss, double? Accuracy, int[,] Confusion)
{
    /// <summary>Evaluates, dropout off.</summary>
    /// <param name="network">The network; its training mode is restored.</param>
    /// <param name="examples">The set.</param>
    /// <param name="batchSize">Examples computed at once.</param>
    /// <param name="classes">The number of classes, or of answers.</param>
    /// <param name="classWeights">The weight of each class, or null.</param>
    /// <param name="cancellation">Ends the evaluation with an <see cref="OperationCanceledException"/>.</param>
    public static TaskEvaluation Of(TaskNetwork network, IReadOnlyList<TaskExample> examples, int batchSize, int classes, IReadOnlyList<double>? classWeights, CancellationToken cancellation)
    {
        bool training = network.Network.Training;
        network.Network.Training = false;
        try
        {
            using var noGradient = no_grad();
            var confusion = network.Head.IsRegression ? new int[0, 0] : new int[classes, classes];
            double loss = 0, weight = 0;
            int right = 0;
            foreach (TaskExample[] chunk in examples.OrderBy(static example => example.Width).Chunk(batchSize))
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var batch = new TaskBatch(chunk, network.Config, network.Network.TorchDevice, languageModel: false);
                Tensor outputs = network.Outputs(network.States(network.Hidden(batch), batch), dropout: 0);
                var values = new float[outputs.NumberOfElements];
                outputs.CopyFloatsTo(values);                           // sync: reads the outputs
                int columns = values.Length / chunk.Length;
                for (int i = 0; i < chunk.Length; i++)
                {
                    ReadOnlySpan<float> row = values.AsSpan(i * columns, columns);
                    int label = chunk[i].Label;
                    if (network.Head.IsRegression)
                    {
                        double difference = row[0] - chunk[i].Target;
                        (loss, weight) = (loss + (difference * difference), weight + 1);
                    }
                    else if (label >= 0)
                    {
                        double w = classWeights?[label] ?? 1;
                        int predicted = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row);
                        (loss, weight) = (loss + (w * (LogSumExp(row) - row[label])), weight + w);
                        confusion[label, predicted]++;
                        if (predicted == label) right++;
                    }
                }
            }

            return new(weight > 0 ? loss / weight : double.NaN, network.Head.IsRegression ? null : (double)right / examples.Count, confusion);
        }
        finally
        {
            network.Network.Training = training;
        }
    }

    /// <summary>Draws the confusion matrix; nothing for a regression.</summary>
    /// <param name="path">The picture, which is replaced when the new one is complete.</param>
    /// <param name="labels">The classes' names.</param>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void DrawConfusion(string path, IReadOnlyList<string> labels)
    {
        if (Confusion.Length == 0) return;
        int classes = Confusion.GetLength(0);
        IReadOnlyList<double>[] counts = [.. Enumerable.Range(0, classes).Select(row => (IReadOnlyList<double>)[.. Enumerable.Range(0, classes).Select(column => (double)Confusion[row, column])])];
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(ConfusionMatrixPicture.ToSvg(counts, labels, "validation"))));
    }

    private static double LogSumExp(ReadOnlySpan<float> row)
    {
        double most = System.Numerics.Tensors.TensorPrimitives.Max(row), sum = 0;
        foreach (float value in row) sum += Math.Exp(value - most);
        return most + Math.Log(sum);
    }
}

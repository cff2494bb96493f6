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
            TaskObjective objective = network.Objective;
            int[,] confusion = objective.HasClasses ? new int[classes, classes] : new int[0, 0];
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
                    TaskOutcome outcome = objective.Judge(values.AsSpan(i * columns, columns), chunk[i], classWeights);
                    (loss, weight) = (loss + outcome.Loss, weight + outcome.Weight);
                    if (outcome.Predicted is not { } predicted) continue;
                    confusion[chunk[i].Label, predicted]++;
                    if (predicted == chunk[i].Label) right++;
                }
            }

            return new(weight > 0 ? loss / weight : double.NaN, objective.HasClasses ? (double)right / examples.Count : null, confusion);
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
}

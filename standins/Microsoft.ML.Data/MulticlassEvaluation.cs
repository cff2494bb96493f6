namespace Microsoft.ML.Data;

/// <summary>Counts what a classifier's scores get right.</summary>
internal static class MulticlassEvaluation
{
    private const float Epsilon = 1e-15f; // the least probability that the log-loss believes

    public static MulticlassClassificationMetrics Run(IDataView data, string labelName, string scoreName, string predictedLabelName, int topK)
    {
        var label = Find(data, "label", labelName);
        var score = Find(data, "score", scoreName);
        Find(data, "predicted label", predictedLabelName);
        int classes = score.Type is VectorDataViewType { Size: >= 2 } vector && vector.ItemType.Equals(NumberDataViewType.Single)
            ? vector.Size
            : throw Contracts.ExceptSchemaMismatch("score", scoreName, "vector of two or more items of type Single", score.Type.ToString());
        if (label.Type is not KeyDataViewType && !label.Type.Equals(NumberDataViewType.Single))
            throw Contracts.ExceptSchemaMismatch("label", labelName, "Single or Key", label.Type.ToString());

        double total = 0, correct = 0, loss = 0;
        var ofClass = new double[classes];
        var lossOfClass = new double[classes];
        var ranks = new double[classes + 1];
        double[][] confusion = [.. Enumerable.Range(0, classes).Select(_ => new double[classes])];
        var scores = new float[classes];
        using (var cursor = data.GetRowCursor([label, score]))
        {
            var getLabel = LabelGetter(cursor, label);
            var getScores = cursor.GetGetter<VBuffer<float>>(score);
            VBuffer<float> buffer = default;
            while (cursor.MoveNext())
            {
                // What has no label, an impossible one, or no finite scores is left out.
                float value = getLabel();
                if (!(value >= 0) || value != (int)value)
                    continue;
                getScores(ref buffer);
                buffer.CopyTo(scores);
                if (!scores.All(float.IsFinite))
                    continue;

                int truth = (int)value;
                bool known = truth < classes;
                double rowLoss = -Math.Log(known ? Math.Min(1, Math.Max(Epsilon, scores[truth])) : Epsilon);
                float truthScore = known ? scores[truth] : 0;
                int rank = 0, assigned = 0;
                for (int i = 0; i < classes; i++)
                {
                    // Of equal scores the first class ranks first.
                    if (scores[i] > truthScore || (scores[i] == truthScore && i < truth))
                        rank++;
                    if (scores[i] > scores[assigned])
                        assigned = i;
                }

                total++;
                loss += rowLoss;
                ranks[rank]++;
                if (rank == 0)
                    correct++;
                if (!known)
                    continue;
                ofClass[truth]++;
                lossOfClass[truth] += rowLoss;
                confusion[truth][rank == 0 ? truth : assigned]++;
            }
        }

        double logLoss = total > 0 ? loss / total : 0;
        double prior = -ofClass.Where(count => count > 0).Sum(count => count * Math.Log(count / total)) / total; // the entropy of the labels
        double[] recalls = [.. Enumerable.Range(0, classes).Where(i => ofClass[i] > 0).Select(i => confusion[i][i] / ofClass[i])];
        double seen = 0;
        return new()
        {
            MicroAccuracy = total > 0 ? correct / total : 0,
            MacroAccuracy = recalls.Length > 0 ? recalls.Average() : 0,
            LogLoss = logLoss,
            LogLossReduction = (prior - logLoss) / prior,
            PerClassLogLoss = [.. lossOfClass.Select((sum, i) => ofClass[i] > 0 ? sum / ofClass[i] : 0)],
            TopKPredictionCount = topK,
            TopKAccuracyForAllK = topK == 0 ? null : [.. ranks.Take(topK).Select(count => seen += count / total)],
            ConfusionMatrix = new(confusion, ClassNames(score, classes)),
        };
    }

    private static string[] ClassNames(DataViewSchema.Column score, int classes)
    {
        if (score.Annotations.Schema.GetColumnOrNull("SlotNames")?.Type is not VectorDataViewType { IsKnownSize: true, ItemType: TextDataViewType })
            return [.. Enumerable.Range(0, classes).Select(i => i.ToString())];
        VBuffer<ReadOnlyMemory<char>> names = default;
        score.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    private static Func<float> LabelGetter(DataViewRow row, DataViewSchema.Column label)
    {
        if (label.Type is KeyDataViewType keyType)
        {
            var getKey = KeyGetters.Create(row, label);
            return () => getKey() is var key && key > 0 && key <= keyType.Count ? key - 1 : float.NaN;
        }
        var get = row.GetGetter<float>(label);
        float value = 0;
        return () =>
        {
            get(ref value);
            return value;
        };
    }

    private static DataViewSchema.Column Find(IDataView data, string role, string name) =>
        data.Schema.GetColumnOrNull(name) ?? throw Contracts.ExceptMissingColumn(role, name);
}

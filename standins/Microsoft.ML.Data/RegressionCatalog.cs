using Microsoft.ML.Data;

namespace Microsoft.ML;

public sealed class RegressionCatalog : TrainCatalogBase
{
    internal RegressionCatalog() { }

    public RegressionMetrics Evaluate(IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score")
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        Contracts.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        var label = Single(data, "label", labelColumnName);
        var score = Single(data, "score", scoreColumnName);
        using var cursor = data.GetRowCursor([label, score]);
        var getLabel = cursor.GetGetter<float>(label);
        var getScore = cursor.GetGetter<float>(score);
        var metrics = new RegressionMetrics.Sums();
        float labelValue = 0, scoreValue = 0;
        while (cursor.MoveNext())
        {
            getLabel(ref labelValue);
            getScore(ref scoreValue);
            // A row without a label or without a score counts for nothing.
            if (!float.IsNaN(labelValue) && !float.IsNaN(scoreValue))
                metrics.Add(labelValue, scoreValue);
        }
        return new(metrics);
    }

    private static DataViewSchema.Column Single(IDataView data, string role, string name)
    {
        var column = data.Schema.GetColumnOrNull(name) ?? throw Contracts.ExceptMissingColumn(role, name);
        return column.Type.Equals(NumberDataViewType.Single) ? column : throw Contracts.ExceptSchemaMismatch(role, name, "Single", column.Type.ToString());
    }
}

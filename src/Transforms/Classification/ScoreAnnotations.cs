using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The annotations by which ML.NET's evaluators and transforms know score columns: those that its own scorers write.</summary>
internal static class ScoreAnnotations
{
    public const string SetId = "ScoreColumnSetId", Kind = "ScoreColumnKind", ValueKind = "ScoreValueKind", TrainingLabelValues = "TrainingLabelValues";
    public const string Multiclass = "MulticlassClassification", Regression = "Regression", Ranking = "Ranking", Score = "Score", PredictedLabel = "PredictedLabel";

    private static readonly KeyDataViewType SetIdType = new(typeof(uint), int.MaxValue);

    /// <summary>The annotations of one column of a set.</summary>
    /// <param name="input">The input's schema: the set takes the next free number.</param>
    /// <param name="kind">What was predicted.</param>
    /// <param name="valueKind">What the column holds.</param>
    /// <param name="more">Adds others.</param>
    public static DataViewSchema.Annotations Build(DataViewSchema input, string kind, string valueKind, Action<DataViewSchema.Annotations.Builder>? more = null)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        more?.Invoke(builder);
        builder.AddPrimitiveValue(SetId, SetIdType, NextSet(input));
        builder.AddPrimitiveValue(Kind, TextDataViewType.Instance, kind.AsMemory());
        builder.AddPrimitiveValue(ValueKind, TextDataViewType.Instance, valueKind.AsMemory());
        return builder.ToAnnotations();
    }

    /// <summary>The same for a <see cref="SchemaShape"/>.</summary>
    public static SchemaShape Shape(params IEnumerable<SchemaShape.Column> more) => new(
    [
        .. more,
        TextColumnShape.ShapeOf(SetId, SetIdType),
        TextColumnShape.ShapeOf(Kind, TextDataViewType.Instance),
        TextColumnShape.ShapeOf(ValueKind, TextDataViewType.Instance),
    ]);

    private static uint NextSet(DataViewSchema input)
    {
        uint last = 0;
        foreach (DataViewSchema.Column column in input)
        {
            if (column.Annotations.Schema.GetColumnOrNull(SetId) is not { Type: KeyDataViewType key } || key.RawType != typeof(uint)) continue;
            uint id = 0;
            column.Annotations.GetValue(SetId, ref id);
            last = Math.Max(last, id);
        }

        return last + 1;
    }
}

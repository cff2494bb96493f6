using System.Numerics.Tensors;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A probability for each class, or answer, and the key of the likeliest.</summary>
internal sealed class ClassScores : HeadScores
{
    public override float[] Read(Span<float> outputs)
    {
        // Logits less the largest one: the same softmax, and no overflow.
        var scores = new float[outputs.Length];
        TensorPrimitives.Subtract(outputs, TensorPrimitives.Max((ReadOnlySpan<float>)outputs), outputs);
        TensorPrimitives.SoftMax(outputs, scores);
        return scores;
    }

    public override LabelValues LabelsOf(ClassifierHead head, IReadOnlyList<string> textColumns) => LabelValues.OfText(head.Form.ClassColumns(textColumns) ?? head.Labels);

    public override bool Fit(LabelValues? labels, int classes) => labels is null || (labels.IsValid() && labels.Values.Count == classes);

    public override string? PredictedLabelColumn(ClassifyTextOptions options) => options.PredictedLabelColumnName;

    public override IEnumerable<TextOutput> Columns(string score, string? predicted, int classes, LabelValues? labels)
    {
        yield return TextOutput.Create<TextPrediction, VBuffer<float>>(score, new VectorDataViewType(NumberDataViewType.Single, classes), WriteScores,
            input => ScoreAnnotations.Build(input, ScoreAnnotations.Multiclass, ScoreAnnotations.Score, labels is null ? null : builder =>
            {
                LabelValues.OfText(labels.Values).AddTo(builder, LabelValues.SlotNames);
                labels.AddTo(builder, ScoreAnnotations.TrainingLabelValues);
            }));
        if (predicted is null) yield break;
        yield return TextOutput.Create<TextPrediction, uint>(predicted, new KeyDataViewType(typeof(uint), classes), static (TextPrediction prediction, ref uint value) => value = (uint)prediction.Index + 1,
            input => ScoreAnnotations.Build(input, ScoreAnnotations.Multiclass, ScoreAnnotations.PredictedLabel, builder => labels?.AddTo(builder, LabelValues.KeyValues)));
    }

    public override IEnumerable<SchemaShape.Column> Shapes(string score, string? predicted, DataViewType? values)
    {
        yield return SchemaShapeColumn.Create(score, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false, ScoreAnnotations.Shape(values is null
            ? [] : [Vector(LabelValues.SlotNames, TextDataViewType.Instance), Vector(ScoreAnnotations.TrainingLabelValues, values)]));
        if (predicted is null) yield break;
        yield return SchemaShapeColumn.Create(predicted, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, isKey: true,
            ScoreAnnotations.Shape(values is null ? [] : [Vector(LabelValues.KeyValues, values)]));

        static SchemaShape.Column Vector(string name, DataViewType item) => SchemaShapeColumn.Create(name, SchemaShape.Column.VectorKind.Vector, item, isKey: false, annotations: null);
    }

    private static void WriteScores(TextPrediction prediction, ref VBuffer<float> value)
    {
        VBufferEditor<float> editor = VBufferEditor.Create(ref value, prediction.Scores.Count);
        for (int i = 0; i < prediction.Scores.Count; i++) editor.Values[i] = prediction.Scores[i];
        value = editor.Commit();
    }
}

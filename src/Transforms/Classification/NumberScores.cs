using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A regression's number as it stands.</summary>
internal sealed class NumberScores : HeadScores
{
    public override float[] Read(Span<float> outputs) => [outputs[0]];

    public override LabelValues? LabelsOf(ClassifierHead head, IReadOnlyList<string> textColumns) => null;

    public override bool Fit(LabelValues? labels, int classes) => labels is null;

    public override string? PredictedLabelColumn(ClassifyTextOptions options) => null;

    public override IEnumerable<TextOutput> Columns(string score, string? predicted, int classes, LabelValues? labels) =>
    [
        TextOutput.Create<TextPrediction, float>(score, NumberDataViewType.Single, static (TextPrediction prediction, ref float value) => value = prediction.Scores[0],
            static input => ScoreAnnotations.Build(input, ScoreAnnotations.Regression, ScoreAnnotations.Score)),
    ];

    public override IEnumerable<SchemaShape.Column> Shapes(string score, string? predicted, DataViewType? values) =>
        [TextColumnShape.ShapeOf(score, NumberDataViewType.Single, ScoreAnnotations.Shape())];
}

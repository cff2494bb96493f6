using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A label that is a number: the squared difference.</summary>
internal sealed class NumberObjective : TaskObjective
{
    public override string LabelType => "Single";

    public override bool HasClasses => false;

    public override bool Fits(SchemaShape.Column label) =>
        label.Kind == SchemaShape.Column.VectorKind.Scalar && !label.IsKey && label.ItemType == NumberDataViewType.Single;

    public override (int Classes, LabelValues? Values) Read(DataViewSchema.Column label, int? answers) =>
        label.Type == NumberDataViewType.Single ? (1, null) : throw new ColumnMismatchException(label.Name, LabelType, label.Type.ToString()!);

    public override Func<TaskLabel?> Getter(DataViewRow row, DataViewSchema.Column label)
    {
        ValueGetter<float> getter = row.GetGetter<float>(label);
        return () =>
        {
            float target = 0;
            getter(ref target);
            return float.IsFinite(target) ? new TaskLabel(0, target) : null;
        };
    }

    public override Tensor Loss(Tensor outputs, TaskBatch batch, Tensor? classWeights) => TaskLoss.SquaredError(outputs, batch.Targets);

    public override TaskOutcome Judge(ReadOnlySpan<float> outputs, TaskExample example, IReadOnlyList<double>? classWeights)
    {
        double difference = outputs[0] - example.Target;
        return new(difference * difference, 1, null);
    }
}

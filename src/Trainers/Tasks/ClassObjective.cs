using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A label that is a class, or the number of an answer: the cross-entropy.</summary>
internal sealed class ClassObjective : TaskObjective
{
    /// <summary>More classes than this are taken for a key that is an identity, not a category.</summary>
    private const int MostClasses = 1 << 16;

    public override string LabelType => "a key (use MapValueToKey)";

    public override bool HasClasses => true;

    public override bool Fits(SchemaShape.Column label) => label.Kind == SchemaShape.Column.VectorKind.Scalar && label.IsKey;

    public override (int Classes, LabelValues? Values) Read(DataViewSchema.Column label, int? answers)
    {
        if (label.Type is not KeyDataViewType key) throw new ColumnMismatchException(label.Name, LabelType, label.Type.ToString()!);
        if (key.Count > MostClasses) throw new ColumnMismatchException(label.Name, $"a key of {MostClasses} values or fewer", label.Type.ToString()!);
        if (answers is { } count && key.Count != (ulong)count)
            throw new ColumnMismatchException(label.Name, $"a key of {count} values, the number of the right answer's column", label.Type.ToString()!);
        return ((int)key.Count, LabelValues.Read(label));
    }

    public override Func<TaskLabel?> Getter(DataViewRow row, DataViewSchema.Column label)
    {
        Type type = label.Type.RawType;
        if (type == typeof(byte)) return Of<byte>(static key => key);
        if (type == typeof(ushort)) return Of<ushort>(static key => key);
        return type == typeof(uint) ? Of<uint>(static key => key) : Of<ulong>(static key => key);

        // A key of 0 is a missing one.
        Func<TaskLabel?> Of<TKey>(Func<TKey, ulong> widen)
        {
            ValueGetter<TKey> getter = row.GetGetter<TKey>(label);
            return () =>
            {
                TKey key = default!;
                getter(ref key);
                return widen(key) is > 0 and var number ? new TaskLabel((int)number - 1, 0) : null;
            };
        }
    }

    public override Tensor Loss(Tensor outputs, TaskBatch batch, Tensor? classWeights)
    {
        Tensor labels = batch.Labels;                                                                      // (E)
        Tensor logits = outputs.view(batch.Examples.Count, -1);                                            // (E, K): as they are, or the answers of an example side by side
        return TaskLoss.CrossEntropy(logits, labels, classWeights?.index_select(0, labels));
    }

    public override TaskOutcome Judge(ReadOnlySpan<float> outputs, TaskExample example, IReadOnlyList<double>? classWeights)
    {
        if (example.Label < 0) return default;
        double weight = classWeights?[example.Label] ?? 1, most = System.Numerics.Tensors.TensorPrimitives.Max(outputs), sum = 0;
        foreach (float value in outputs) sum += Math.Exp(value - most);
        return new(weight * (most + Math.Log(sum) - outputs[example.Label]), weight, System.Numerics.Tensors.TensorPrimitives.IndexOfMax(outputs));
    }
}

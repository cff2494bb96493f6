using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What is particular to a kind of label: its column, the loss, and how well an example is met. <see cref="ClassObjective"/> or <see cref="NumberObjective"/>; what is
/// particular to a task is its <see cref="TaskForm"/>.
/// </summary>
/// <remarks>Without state; may be shared between threads.</remarks>
internal abstract class TaskObjective
{
    private static readonly TaskObjective Classes = new ClassObjective(), Number = new NumberObjective();

    /// <summary>The type of the label column, in words.</summary>
    public abstract string LabelType { get; }

    /// <summary>Whether there are classes, which can be weighed, counted and confused.</summary>
    public abstract bool HasClasses { get; }

    /// <summary>The objective of a head.</summary>
    public static TaskObjective Of(bool isRegression) => isRegression ? Number : Classes;

    /// <summary>Whether a label column is of the type.</summary>
    public abstract bool Fits(SchemaShape.Column label);

    /// <summary>How many classes a label column has, and what its keys stand for.</summary>
    /// <param name="label">The column.</param>
    /// <param name="answers">The number of answers where the classes are answers; null where they are not.</param>
    /// <exception cref="ColumnMismatchException">The column has another type.</exception>
    public abstract (int Classes, LabelValues? Values) Read(DataViewSchema.Column label, int? answers);

    /// <summary>A getter of a row's label; null for a missing one.</summary>
    public abstract Func<TaskLabel?> Getter(DataViewRow row, DataViewSchema.Column label);

    /// <summary>The summed loss of a batch.</summary>
    /// <param name="outputs">(R/S, K) float32: what the head gave.</param>
    /// <param name="batch">The examples.</param>
    /// <param name="classWeights">(classes) float32: the weight of each class; null for 1.</param>
    /// <returns>A scalar.</returns>
    public abstract Tensor Loss(Tensor outputs, TaskBatch batch, Tensor? classWeights);

    /// <summary>How well one example was met.</summary>
    /// <param name="outputs">What the head gave for it.</param>
    /// <param name="example">The example; a label that training does not know is right nowhere and has no loss.</param>
    /// <param name="classWeights">The weight of each class; null for 1.</param>
    public abstract TaskOutcome Judge(ReadOnlySpan<float> outputs, TaskExample example, IReadOnlyList<double>? classWeights);
}

using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>What the outputs of a task head become: <see cref="ClassScores"/> or <see cref="NumberScores"/>.</summary>
/// <remarks>Without state; may be shared between threads.</remarks>
internal abstract class HeadScores
{
    private static readonly HeadScores Classes = new ClassScores(), Number = new NumberScores();

    /// <summary>What a head's outputs become.</summary>
    public static HeadScores Of(bool isRegression) => isRegression ? Number : Classes;

    /// <summary>An example's scores.</summary>
    /// <param name="outputs">What the engine gave; overwritten.</param>
    public abstract float[] Read(Span<float> outputs);

    /// <summary>What the predicted label's keys stand for where only the model knows it; null where nothing is predicted.</summary>
    /// <param name="head">The head.</param>
    /// <param name="textColumns">The text columns in the task's order.</param>
    public abstract LabelValues? LabelsOf(ClassifierHead head, IReadOnlyList<string> textColumns);

    /// <summary>Whether such label values belong to scores of so many classes.</summary>
    public abstract bool Fit(LabelValues? labels, int classes);

    /// <summary>The column of the predicted label; null where nothing is predicted.</summary>
    public abstract string? PredictedLabelColumn(ClassifyTextOptions options);

    /// <summary>The columns to add.</summary>
    /// <param name="score">The column of scores.</param>
    /// <param name="predicted">The column of the predicted label; null for none.</param>
    /// <param name="classes">The classes, or answers.</param>
    /// <param name="labels">What the keys stand for; null where that is not known.</param>
    public abstract IEnumerable<TextOutput> Columns(string score, string? predicted, int classes, LabelValues? labels);

    /// <summary>The same columns before the data are known.</summary>
    /// <param name="score">The column of scores.</param>
    /// <param name="predicted">The column of the predicted label; null for none.</param>
    /// <param name="values">The type of what the keys stand for; null where that is not known.</param>
    public abstract IEnumerable<SchemaShape.Column> Shapes(string score, string? predicted, DataViewType? values);
}

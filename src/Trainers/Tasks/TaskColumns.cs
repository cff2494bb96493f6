using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The columns of a supervised task.</summary>
/// <param name="Task">The task.</param>
/// <param name="IsRegression">Whether the label is a number.</param>
/// <param name="Label">The label column: a key, or for a regression a Single.</param>
/// <param name="Texts">The text columns in the task's order.</param>
/// <param name="Score">The column of scores to add.</param>
internal sealed record TaskColumns(SupervisedTask Task, bool IsRegression, string Label, IReadOnlyList<string> Texts, string Score)
{
    /// <summary>What is particular to the task.</summary>
    public TaskForm Form => TaskForm.Of(Task);

    /// <summary>What is particular to the label.</summary>
    public TaskObjective Objective => TaskObjective.Of(IsRegression);

    /// <summary>Checks the names.</summary>
    public TaskColumns Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Label, "labelColumnName");
        ArgumentException.ThrowIfNullOrEmpty(Score, "scoreColumnName");
        foreach (string text in Texts) ArgumentException.ThrowIfNullOrEmpty(text, "textColumnName");
        if (!Form.Takes(Texts.Count)) throw new ArgumentException($"{Task} needs {Form.TextCount} text columns (a context and two answers), but {Texts.Count} are named.", "answerColumnNames");
        return this;
    }

    /// <summary>Finds the label column and, for classes, how many there are and what their keys stand for.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public (DataViewSchema.Column Label, int Classes, LabelValues? Values) Find(DataViewSchema schema)
    {
        foreach (string text in Texts) TextColumnMapper.FindText(text, schema);
        DataViewSchema.Column label = SchemaColumn.Find(schema, Label, Objective.LabelType);
        (int classes, LabelValues? values) = Objective.Read(label, Form.ClassColumns(Texts)?.Count);
        return (label, classes, values);
    }

    /// <summary>The columns that the transformer adds, before it is known what the keys stand for.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public SchemaShape OutputShape(SchemaShape input, ClassifyTextOptions scoring)
    {
        foreach (string text in Texts) TextColumnShape.Check(input, new TextInput(text));
        SchemaShape.Column label = TextColumnShape.Find(input, Label, Objective.LabelType);
        if (!Objective.Fits(label)) throw new ColumnMismatchException(Label, Objective.LabelType, TextColumnShape.Describe(label));
        SchemaShape.Column[] values = [.. (label.Annotations ?? new SchemaShape([])).Where(static each => each.Name == LabelValues.KeyValues)];
        DataViewType? named = values.Length > 0 ? values[0].ItemType : Form.ClassColumns(Texts) is null ? null : TextDataViewType.Instance;
        HeadScores scores = HeadScores.Of(IsRegression);
        List<SchemaShape.Column> added = [.. scores.Shapes(Score, scores.PredictedLabelColumn(scoring), named)];
        if (scoring.DroppedTokenCountColumnName is { } dropped) added.Add(TextColumnShape.ShapeOf(dropped, NumberDataViewType.Int32));
        return TextColumnShape.Replace(input, added);
    }
}

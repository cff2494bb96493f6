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
    /// <summary>More classes than this are taken for a key that is an identity, not a category.</summary>
    private const int MostClasses = 1 << 16;

    /// <summary>Checks the names.</summary>
    public TaskColumns Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Label, "labelColumnName");
        ArgumentException.ThrowIfNullOrEmpty(Score, "scoreColumnName");
        foreach (string text in Texts) ArgumentException.ThrowIfNullOrEmpty(text, "textColumnName");
        (int least, _) = TaskSequences.TextsOf(Task);
        if (Texts.Count < least) throw new ArgumentException($"{Task} needs {least} or more text columns (a context and two answers), but {Texts.Count} are named.", "answerColumnNames");
        return this;
    }

    /// <summary>Finds the label column and, for classes, how many there are and what their keys stand for.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public (DataViewSchema.Column Label, int Classes, LabelValues? Values) Find(DataViewSchema schema)
    {
        foreach (string text in Texts) TextColumnMapper.FindText(text, schema);
        string expected = IsRegression ? "Single" : "a key (use MapValueToKey)";
        DataViewSchema.Column label = schema.GetColumnOrNull(Label)
            ?? throw new ColumnMismatchException(Label, expected, $"no such column among {string.Join(", ", schema.Where(static c => !c.IsHidden).Select(static c => $"'{c.Name}'"))}");
        if (IsRegression) return label.Type == NumberDataViewType.Single ? (label, 1, null) : throw new ColumnMismatchException(Label, expected, label.Type.ToString()!);
        if (label.Type is not KeyDataViewType key) throw new ColumnMismatchException(Label, expected, label.Type.ToString()!);
        if (key.Count > MostClasses) throw new ColumnMismatchException(Label, $"a key of {MostClasses} values or fewer", label.Type.ToString()!);
        if (Task == SupervisedTask.MultipleChoice && key.Count != (ulong)Texts.Count - 1)
            throw new ColumnMismatchException(Label, $"a key of {Texts.Count - 1} values, the number of the right answer's column", label.Type.ToString()!);
        return (label, (int)key.Count, LabelValues.Read(label));
    }

    /// <summary>A getter of the label's key, 0 for a missing one, whatever its width.</summary>
    public static Func<ulong> KeyGetter(DataViewRow row, DataViewSchema.Column label)
    {
        Type type = label.Type.RawType;
        if (type == typeof(byte)) return Of<byte>(static key => key);
        if (type == typeof(ushort)) return Of<ushort>(static key => key);
        return type == typeof(uint) ? Of<uint>(static key => key) : Of<ulong>(static key => key);

        Func<ulong> Of<TKey>(Func<TKey, ulong> widen)
        {
            ValueGetter<TKey> getter = row.GetGetter<TKey>(label);
            return () =>
            {
                TKey key = default!;
                getter(ref key);
                return widen(key);
            };
        }
    }

    /// <summary>The columns that the transformer adds, before it is known what the keys stand for.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public SchemaShape OutputShape(SchemaShape input, ClassifyTextOptions scoring)
    {
        foreach (string text in Texts) TextColumnShape.Check(input, new TextInput(text));
        string expected = IsRegression ? "Single" : "a key (use MapValueToKey)";
        SchemaShape.Column label = TextColumnShape.Find(input, Label, expected);
        bool fits = label.Kind == SchemaShape.Column.VectorKind.Scalar && (IsRegression ? !label.IsKey && label.ItemType == NumberDataViewType.Single : label.IsKey);
        if (!fits) throw new ColumnMismatchException(Label, expected, TextColumnShape.Describe(label));
        var added = new List<SchemaShape.Column>();
        if (IsRegression)
        {
            added.Add(TextColumnShape.ShapeOf(Score, NumberDataViewType.Single, ScoreAnnotations.Shape()));
        }
        else
        {
            SchemaShape.Column[] values = [.. (label.Annotations ?? new SchemaShape([])).Where(static each => each.Name == LabelValues.KeyValues)];
            bool named = values.Length > 0 || Task == SupervisedTask.MultipleChoice;
            DataViewType item = values.Length > 0 ? values[0].ItemType : TextDataViewType.Instance;
            added.Add(SchemaShapeColumn.Create(Score, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false, ScoreAnnotations.Shape(named
                ? [Vector(LabelValues.SlotNames, TextDataViewType.Instance), Vector(ScoreAnnotations.TrainingLabelValues, item)] : [])));
            if (scoring.PredictedLabelColumnName is { } predicted)
            {
                added.Add(SchemaShapeColumn.Create(predicted, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, isKey: true,
                    ScoreAnnotations.Shape(named ? [Vector(LabelValues.KeyValues, item)] : [])));
            }
        }

        if (scoring.DroppedTokensColumnName is { } dropped) added.Add(TextColumnShape.ShapeOf(dropped, NumberDataViewType.Int32));
        return TextColumnShape.Replace(input, added);

        static SchemaShape.Column Vector(string name, DataViewType item) => SchemaShapeColumn.Create(name, SchemaShape.Column.VectorKind.Vector, item, isKey: false, annotations: null);
    }
}

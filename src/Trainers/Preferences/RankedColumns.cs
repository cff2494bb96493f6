using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>The columns of graded responses: one response a row with its grade and its prompt's group, or a chosen and a rejected one.</summary>
/// <param name="Prompt">The text column of prompts.</param>
/// <param name="Response">The text column of responses; of the chosen ones where there are pairs.</param>
/// <param name="Rejected">The text column of the rejected responses; null where responses are graded.</param>
/// <param name="Label">The column of grades; null where there are pairs.</param>
/// <param name="Group">The column that tells which responses belong to one prompt; null where there are pairs.</param>
internal sealed record RankedColumns(string Prompt, string Response, string? Rejected, string? Label, string? Group)
{
    private const string LabelTypes = "a Single, Double, Int32 or key";

    /// <summary>The text columns.</summary>
    public IReadOnlyList<string> Texts => Rejected is null ? [Prompt, Response] : [Prompt, Response, Rejected];

    /// <summary>Checks the names.</summary>
    public RankedColumns Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Prompt, "promptColumnName");
        ArgumentException.ThrowIfNullOrEmpty(Response, Rejected is null ? "responseColumnName" : "chosenColumnName");
        if (Rejected is null)
        {
            ArgumentException.ThrowIfNullOrEmpty(Label, "labelColumnName");
            ArgumentException.ThrowIfNullOrEmpty(Group, "groupColumnName");
        }
        else
        {
            ArgumentException.ThrowIfNullOrEmpty(Rejected, "rejectedColumnName");
            if (Rejected == Response) throw new ArgumentException($"The chosen and the rejected responses are both in column '{Response}'; name two columns.", "rejectedColumnName");
        }

        return this;
    }

    /// <summary>Checks that a schema has the columns.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public void Check(DataViewSchema schema)
    {
        foreach (string text in Texts) TextColumnMapper.FindText(text, schema);
        if (Label is null || Group is null) return;
        SchemaColumn.Find(schema, Label, LabelTypes, IsLabel);
        IdentityColumn.Find(Group, schema);
    }

    /// <summary>Checks that a schema's shape has the columns.</summary>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public void Check(SchemaShape schema)
    {
        foreach (string text in Texts) TextColumnShape.Check(schema, new TextInput(text));
        if (Label is null || Group is null) return;
        SchemaShape.Column label = TextColumnShape.Find(schema, Label, LabelTypes), group = TextColumnShape.Find(schema, Group, IdentityColumn.Types);
        if (label.Kind != SchemaShape.Column.VectorKind.Scalar || !(label.IsKey || IsLabel(label.ItemType))) throw new ColumnMismatchException(Label, LabelTypes, TextColumnShape.Describe(label));
        if (group.Kind != SchemaShape.Column.VectorKind.Scalar || !(group.IsKey || IdentityColumn.Is(group.ItemType))) throw new ColumnMismatchException(Group, IdentityColumn.Types, TextColumnShape.Describe(group));
    }

    /// <summary>A getter of the grade; NaN for a missing key.</summary>
    public Func<double> GradeGetter(DataViewRow row)
    {
        DataViewSchema.Column column = row.Schema[Label!];
        if (column.Type is KeyDataViewType)
        {
            Func<ulong> key = KeyColumn.Getter(row, column);
            return () => key() is var value and > 0 ? value : double.NaN;
        }

        Type type = column.Type.RawType;
        return type == typeof(float) ? Of<float, double>(row, column, static value => value)
            : type == typeof(double) ? Of<double, double>(row, column, static value => value)
            : Of<int, double>(row, column, static value => value);
    }

    /// <summary>A getter of the group's name; empty for a missing one.</summary>
    public Func<string> GroupGetter(DataViewRow row) => IdentityColumn.Getter(row, row.Schema[Group!]);

    private static bool IsLabel(DataViewType type) => type is KeyDataViewType || type == NumberDataViewType.Single || type == NumberDataViewType.Double || type == NumberDataViewType.Int32;

    private static Func<TResult> Of<TValue, TResult>(DataViewRow row, DataViewSchema.Column column, Func<TValue, TResult> convert)
    {
        ValueGetter<TValue> getter = row.GetGetter<TValue>(column);
        return () =>
        {
            TValue value = default!;
            getter(ref value);
            return convert(value);
        };
    }
}

namespace MLNet.Gpt;

/// <summary>A context and two or more answers: Start, context, Delimiter, answer, Extract for each, and a softmax across the answers.</summary>
internal sealed class MultipleChoiceForm : TaskForm
{
    public override SupervisedTask Task => SupervisedTask.MultipleChoice;

    public override int LeastTexts => 3;

    public override int MostTexts => int.MaxValue;

    public override int LeastContext => 5;

    public override bool HasOutputPerClass => false;

    public override string Architecture => "ForMultipleChoice";

    public override int[][] Sequences(TaskLayout layout, IReadOnlyList<int[]> texts) => [.. texts.Skip(1).Select(answer => layout.Two(texts[0], answer))];

    public override IReadOnlyList<string> ClassColumns(IReadOnlyList<string> textColumns) => [.. textColumns.Skip(1)];
}

namespace MLNet.Gpt;

/// <summary>One text: Start, text, Extract.</summary>
internal sealed class TextClassificationForm : TaskForm
{
    public override SupervisedTask Task => SupervisedTask.TextClassification;

    public override int LeastTexts => 1;

    public override int LeastContext => 3;

    public override int[][] Sequences(TaskLayout layout, IReadOnlyList<int[]> texts) => [layout.One(texts[0])];
}

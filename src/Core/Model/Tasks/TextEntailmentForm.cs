namespace MLNet.Gpt;

/// <summary>A premise and a hypothesis: Start, premise, Delimiter, hypothesis, Extract.</summary>
internal sealed class TextEntailmentForm : TaskForm
{
    public override SupervisedTask Task => SupervisedTask.TextEntailment;

    public override int LeastTexts => 2;

    public override int LeastContext => 5;

    public override int[][] Sequences(TaskLayout layout, IReadOnlyList<int[]> texts) => [layout.Two(texts[0], texts[1])];
}

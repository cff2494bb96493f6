namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>A row that every trainer can learn from, each from columns of its own.</summary>
internal sealed class TrainingRow
{
    public string Text { get; set; } = "";

    public string Completion { get; set; } = "";

    public string Other { get; set; } = "";

    public string Label { get; set; } = "";

    public float Likeness { get; set; }
}

namespace MLNet.Gpt.Tool;

/// <summary>A row of text for ML.NET.</summary>
internal sealed class TextRow
{
    public string Text { get; set; } = "";
}

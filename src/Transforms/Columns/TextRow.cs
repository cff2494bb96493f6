namespace MLNet.Gpt;

/// <summary>A row's text, and where the row stands, for messages.</summary>
internal readonly record struct TextRow(long Position, string Text);
